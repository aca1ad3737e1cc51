/* `kelp sim`: a simulator as a process of its own. */
#define _GNU_SOURCE
#include "simulator/simulator.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const char usage[] =
    "usage: kelp sim [options]\n"
    "Serves the provider models over HTTP on the loopback interface. The first line of\n"
    "output is JSON with the addresses.\n"
    "  --port N                port to listen on (default 0: the kernel chooses)\n"
    "  --state FILE            JSON to start from and to save at the end; a file that does\n"
    "                          not exist yet is made from the example\n"
    "  --latency MS            milliseconds before each response\n"
    "  --provisioning SECONDS  time until a new connector runs (default 2)\n"
    "  --rate N[/s]            requests a second for each credential before 429\n"
    "  --lag SECONDS           what is written shows in reads so much later\n"
    "  --faults SPEC|FILE      what goes wrong: KIND=RATE,… with rates from 0 to 1 (write/KIND or\n"
    "                          read/KIND: only then), or a JSON file {\"rates\": {KIND: RATE},\n"
    "                          \"script\": [{\"fault\": KIND, \"method\", \"path\", \"after\",\n"
    "                          \"times\"}]}.\n"
    "                          KIND: lose (closed, not done), drop (done, closed), cut, garbage,\n"
    "                          html, a status (503, 429:7 with Retry-After, 500+ after it was\n"
    "                          done), late:S (504, done S seconds later), delay:S\n"
    "  --seed N                of ids and faults (default 1)\n"
    "  --exit-on-eof           end when standard input is closed\n"
    "  --help                  this text\n";

struct command {
    struct simulator_options options;
    bool exit_on_eof;
    bool help;
};

__attribute__((format(printf, 1, 2))) static int wrong(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("kelp sim: ", stderr);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs("\nTry 'kelp sim --help'.\n", stderr);
    return 2;
}

/* A finite number of at least zero, followed by nothing or by `suffix`. */
static bool read_number(const char *text, const char *suffix, double *number)
{
    char *end = NULL;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *number = strtod(text, &end);
    return errno == 0 && isfinite(*number) && (*end == '\0' || strcmp(end, suffix) == 0);
}

/* The value of an option given as "--name value" or "--name=value"; NULL when
 * argv[*i] is another option, or *missing when it has none. */
static const char *value_of(const char *name, int argc, char **argv, int *i, bool *missing)
{
    size_t size = strlen(name);
    const char *argument = argv[*i];
    if (strncmp(argument, name, size) != 0)
        return NULL;
    if (argument[size] == '=')
        return argument + size + 1;
    if (argument[size] != '\0')
        return NULL;
    if (*i + 1 < argc)
        return argv[++*i];
    *missing = true;
    return NULL;
}

/* 0, or the exit code after a message. */
static int parse(struct command *c, int argc, char **argv)
{
    struct simulator_options *o = &c->options;
    const struct {
        const char *name, *suffix;
        double *number;
        double scale;
    } numbers[] = {
        { "--latency", "", &o->latency, 1e-3 },
        { "--provisioning", "", &o->provisioning, 1 },
        { "--rate", "/s", &o->rate, 1 },
        { "--lag", "", &o->lag, 1 },
    };
    for (int i = 1; i < argc; i++) {
        bool missing = false, taken = false;
        const char *argument = argv[i], *value;
        if (strcmp(argument, "--help") == 0) {
            c->help = taken = true;
        } else if (strcmp(argument, "--exit-on-eof") == 0) {
            c->exit_on_eof = taken = true;
        } else if ((value = value_of("--state", argc, argv, &i, &missing)) != NULL) {
            o->state = value;
            taken = true;
        } else if ((value = value_of("--faults", argc, argv, &i, &missing)) != NULL) {
            o->faults = value;
            taken = true;
        } else if ((value = value_of("--seed", argc, argv, &i, &missing)) != NULL) {
            double seed = 0;
            if (!read_number(value, "", &seed) || seed > 9007199254740992.0 ||
                floor(seed) != seed)
                return wrong("--seed: '%s' is not a whole number", value);
            o->seed = (long long)seed;
            taken = true;
        } else if ((value = value_of("--port", argc, argv, &i, &missing)) != NULL) {
            double port = 0;
            if (!read_number(value, "", &port) || port > 65535 || floor(port) != port)
                return wrong("--port: '%s' is not a port number", value);
            o->port = (int)port;
            taken = true;
        }
        for (size_t k = 0; !taken && !missing && k < sizeof numbers / sizeof numbers[0]; k++) {
            value = value_of(numbers[k].name, argc, argv, &i, &missing);
            if (value == NULL)
                continue;
            if (!read_number(value, numbers[k].suffix, numbers[k].number))
                return wrong("%s: '%s' is not a number", numbers[k].name, value);
            *numbers[k].number *= numbers[k].scale;
            taken = true;
        }
        if (missing)
            return wrong("%s needs a value", argument);
        if (!taken)
            return wrong("unknown option '%s'", argument);
    }
    return 0;
}

/* Returns when a signal has come or, if wanted, standard input has ended. */
static int wait_for_end(int signals, bool exit_on_eof)
{
    struct pollfd watched[] = { { .fd = signals, .events = POLLIN },
                                { .fd = exit_on_eof ? STDIN_FILENO : -1, .events = POLLIN } };
    for (;;) {
        if (poll(watched, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return errno;
        }
        if (watched[0].revents != 0)
            return 0;
        if (watched[1].revents != 0) {
            char ignored[4096];
            ssize_t n = read(STDIN_FILENO, ignored, sizeof ignored);
            if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
                return 0;
        }
    }
}

static bool announce(const struct simulator *s, const struct simulated_provider *providers)
{
    const char *url = simulator_url(s);
    printf("{\"url\":\"%s\"", url);
    for (const struct simulated_provider *p = providers; p->name != NULL; p++)
        printf(",\"%s\":\"%s%s\"", p->name, url, p->path);
    puts("}");
    return fflush(stdout) == 0;
}

static int complain(char *why)
{
    fprintf(stderr, "kelp sim: %s\n", why != NULL ? why : "out of memory");
    free(why);
    return 1;
}

int simulator_main(int argc, char **argv, const struct simulated_provider *providers)
{
    struct command c = { .exit_on_eof = false };
    simulator_defaults(&c.options, providers);
    int code = parse(&c, argc, argv);
    if (code != 0)
        return code;
    if (c.help) {
        fputs(usage, stdout);
        return fflush(stdout) == 0 ? 0 : 1;
    }
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    int signals = signalfd(-1, &ends, SFD_CLOEXEC);
    if (signals < 0)
        return complain(strdup(strerror(errno)));
    char *why = NULL;
    struct simulator *s = simulator_start(&c.options, &why);
    if (s == NULL) {
        close(signals);
        return complain(why);
    }
    int error = announce(s, providers) ? wait_for_end(signals, c.exit_on_eof) : EIO;
    bool saved = simulator_stop(s, &why);
    close(signals);
    if (!saved)
        return complain(why);
    return error != 0 ? complain(strdup(strerror(error))) : 0;
}
