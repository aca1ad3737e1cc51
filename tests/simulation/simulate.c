/* simulate: runs seeds of the simulation and says which of them are wrong.
 *
 *   simulate [--seed N | --seeds A..B] [--verbose] [--mutant NAME] [--twice N]
 *
 * Exit: 0 all good; 1 a seed is wrong (with --mutant it ends with the first
 * one); 2 the simulation itself cannot go on. Every --twice-th seed is run twice
 * and must go the same way (50). */
#define _GNU_SOURCE
#include "chunks.h"
#include "mutants.h"
#include "run.h"

#include <lua.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct command {
    unsigned long long first, last, twice;
    bool verbose;
    const char *mutant, *program;
};

static bool read_number(const char **text, unsigned long long *number)
{
    char *end;
    errno = 0;
    *number = strtoull(*text, &end, 10);
    bool read = errno == 0 && end != *text && **text >= '0' && **text <= '9';
    *text = end;
    return read;
}

static bool parse(struct command *c, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *option = argv[i];
        if (strcmp(option, "--verbose") == 0) {
            c->verbose = true;
            continue;
        }
        if (i + 1 == argc)
            return false;
        const char *value = argv[++i];
        if (strcmp(option, "--mutant") == 0) {
            c->mutant = value;
        } else if (strcmp(option, "--seed") == 0) {
            if (!read_number(&value, &c->first) || *value != '\0')
                return false;
            c->last = c->first;
        } else if (strcmp(option, "--twice") == 0) {
            if (!read_number(&value, &c->twice) || *value != '\0')
                return false;
        } else if (strcmp(option, "--seeds") == 0) {
            if (!read_number(&value, &c->first) || strncmp(value, "..", 2) != 0)
                return false;
            value += 2;
            if (!read_number(&value, &c->last) || *value != '\0' || c->last < c->first)
                return false;
        } else {
            return false;
        }
    }
    return true;
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(const struct command *c, unsigned long long seed, const struct verdict *v)
{
    printf("seed %llu (%s) is wrong:\n", seed, v->class);
    for (const char *line = v->faults; *line != '\0';) {
        size_t size = strcspn(line, "\n");
        printf("  %.*s\n", (int)size, line);
        line += size + (line[size] == '\n');
    }
    printf("  replay: %s --seed %llu --verbose%s%s\n", c->program, seed,
           c->mutant != NULL ? " --mutant " : "", c->mutant != NULL ? c->mutant : "");
    fflush(stdout);
}

/* The seed's verdict, and whether a second run of it goes the same way. */
static bool run(const struct command *c, lua_State *models, struct chunks *chunks,
                unsigned long long seed, struct verdict *v)
{
    struct verdict again;
    if (!run_seed(models, chunks, seed, c->verbose, v))
        exit(2);
    if (c->twice == 0 || seed % c->twice != 0)
        return *v->faults == '\0';
    if (!run_seed(models, chunks, seed, false, &again))
        exit(2);
    if (again.hash != v->hash) {
        char *faults = v->faults;
        if (asprintf(&v->faults, "determinism: a second run went another way\n%s", faults) < 0)
            exit(2);
        free(faults);
    }
    verdict_free(&again);
    return *v->faults == '\0';
}

int main(int argc, char **argv)
{
    struct command c = {.first = 1, .last = 1000, .twice = 50, .program = argv[0]};
    if (!parse(&c, argc, argv)) {
        fprintf(stderr, "usage: simulate [--seed N | --seeds A..B] [--verbose] [--mutant NAME] "
                        "[--twice N]\n");
        return 2;
    }
    bool settle = c.mutant != NULL && strcmp(c.mutant, "no-settle") == 0;
    if (c.mutant != NULL && !settle && !mutant_select(c.mutant)) {
        fprintf(stderr, "simulate: this program has no mutant '%s'\n", c.mutant);
        return 2;
    }
    lua_State *models = run_begin();
    struct chunks *chunks = models == NULL ? NULL
                            : chunks_new(models, settle ? "kelp.reconcile" : NULL,
                                         "local LOOKS = 4", "local LOOKS = 1");
    if (chunks == NULL || !run_prepare(models, chunks))
        return 2;

    unsigned long long passed = 0, failed = 0;
    double began = cpu_seconds();
    for (unsigned long long seed = c.first; seed <= c.last; seed++) {
        struct verdict v;
        bool good = run(&c, models, chunks, seed, &v);
        if (c.verbose) {
            fputs(v.log, stderr);
            printf("seed %llu: %s, exit code %d, %u requests, %u effects, %.1f s of virtual time\n",
                   seed, v.class, v.code, v.sends, v.effects, v.seconds - 1000);
        }
        if (!good)
            report(&c, seed, &v);
        *(good ? &passed : &failed) += 1;
        verdict_free(&v);
        if (!good && c.mutant != NULL)
            break;
    }
    double seconds = cpu_seconds() - began;
    printf("seeds %llu..%llu: %llu good, %llu wrong, %.0f seeds a second\n", c.first, c.last,
           passed, failed, (double)(passed + failed) / (seconds > 0 ? seconds : 1));
    chunks_free(chunks);
    lua_close(models);
    return failed > 0 ? 1 : 0;
}
