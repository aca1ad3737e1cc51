#define _GNU_SOURCE
#include "journal/journal_runs.h"

#include "journal/journal_lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the folder --- */

/* One run's file. False: enough. */
typedef bool visitor(void *context, const char *id, const char *path);

static int is_run(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return entry->d_name[0] != '.' && length > 3 && strcmp(entry->d_name + length - 3, ".db") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool visit_all(const char *folder, visitor *visit, void *context,
                      struct journal_fault *fault)
{
    struct dirent **names;
    int count = scandir(folder, &names, is_run, by_name);
    if (count < 0)
        return errno == ENOENT
               || journal_fail_errno(fault, errno, "cannot read the folder", folder);
    bool fine = true, more = true;
    for (int i = 0; i < count; i++) {
        char *path = NULL, *id = names[i]->d_name;
        if (more && asprintf(&path, "%s/%s", folder, id) < 0) {
            path = NULL;
            fine = more = journal_fail(fault, JOURNAL_MEMORY, "out of memory");
        }
        id[strlen(id) - 3] = '\0';
        more = more && visit(context, id, path);
        free(path);
        free(names[i]);
    }
    free(names);
    return fine;
}

/* --- what was not made to its end --- */

/* The lock's line is written when the journal is whole. */
static bool has_witness(const char *path)
{
    char *lock = NULL, first = '\0';
    if (asprintf(&lock, "%.*s.lock", (int)strlen(path) - 3, path) < 0)
        return true;
    int fd = open(lock, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    free(lock);
    if (fd < 0)
        return errno != ENOENT;
    bool has = pread(fd, &first, 1, 0) != 0 && first != '\0';
    close(fd);
    return has;
}

bool journal_is_unfinished(const char *path)
{
    enum { HEADER = 100, APPLICATION_ID = 68 };
    static const char magic[16] = "SQLite format 3", none[4];
    char header[HEADER];
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return false;
    ssize_t size = pread(fd, header, sizeof header, 0);
    close(fd);
    if (size < 0 || memcmp(header, magic, size < 16 ? (size_t)size : 16) != 0)
        return false;
    /* The identification comes with the tables, in one transaction. */
    return (size < HEADER || memcmp(header + APPLICATION_ID, none, sizeof none) == 0)
           && !has_witness(path);
}

/* --- the list --- */

static bool leaves_something(enum journal_run_state state, const size_t counts[JOURNAL_STATES])
{
    return (state != JOURNAL_FINISHED && state != JOURNAL_REVERTED) || counts[JOURNAL_PLANNED] > 0
           || counts[JOURNAL_INTENT] > 0 || counts[JOURNAL_UNKNOWN] > 0
           || counts[JOURNAL_UNDO_INTENT] > 0;
}

static char *script_in_lock(const char *path)
{
    char *lock = NULL;
    if (asprintf(&lock, "%.*s.lock", (int)strlen(path) - 3, path) < 0)
        return NULL;
    char *script = journal_witness_script(lock);
    free(lock);
    return script;
}

struct listing {
    const struct journal_options *options;
    bool (*each)(void *context, const struct journal_summary *summary);
    void *context;
};

/* A run that cannot be read is listed with its fault; the list does not fail. */
static bool list_one(void *context, const char *id, const char *path)
{
    const struct listing *l = context;
    struct journal_options options = *l->options;
    struct journal_summary summary = { .id = id, .path = path };
    struct journal_fault fault;
    char *script = NULL;
    if (journal_is_unfinished(path))
        return true;
    options.path = path;
    struct journal *j = journal_open_light(&options, false, &fault);
    if (j != NULL && journal_counts(j, summary.counts)) {
        summary.run = journal_run(j);
        summary.script = summary.run->script;
        summary.resumable = leaves_something(summary.run->state, summary.counts);
    } else {
        if (fault.kind == JOURNAL_MISSING)
            return true; /* removed since the folder was read */
        summary.script = script = script_in_lock(path);
        summary.fault = &fault;
    }
    bool more = l->each(l->context, &summary);
    journal_close(j, &fault);
    free(script);
    return more;
}

bool journal_list(const struct journal_options *options,
                  bool (*each)(void *context, const struct journal_summary *summary),
                  void *context, struct journal_fault *fault)
{
    struct listing listing = { options, each, context };
    return visit_all(options->path, list_one, &listing, fault);
}

/* --- removing --- */

bool journal_remove(const struct journal_options *options, struct journal_fault *fault)
{
    struct journal_paths paths;
    struct journal_witness witness;
    struct journal_sizes sizes;
    int lock = -1;
    if (!journal_paths_find(&paths, options->path, false, fault))
        return false;
    bool fine = journal_folder_check(paths.folder, options->allow_network, fault)
                && journal_file_check(&paths, &sizes, fault)
                && journal_lock(&paths, false, &lock, &witness, fault)
                && journal_files_remove(&paths, fault);
    if (lock >= 0)
        close(lock);
    journal_paths_free(&paths);
    return fine;
}

struct pruning {
    const struct journal_options *options;
    double before;
    size_t removed;
    struct journal_fault *fault;
    bool fine;
};

/* One that is being made now is newer, or its lock is held. */
static bool remove_unfinished(struct pruning *p, const char *path)
{
    struct journal_options options = *p->options;
    struct journal_fault ignored;
    struct stat status;
    options.path = path;
    if (stat(path, &status) == 0 && (double)status.st_mtime < p->before)
        p->removed += journal_remove(&options, &ignored);
    return true;
}

static bool prune_one(void *context, const char *id, const char *path)
{
    struct pruning *p = context;
    struct journal_options options = *p->options;
    struct journal_fault ignored;
    size_t counts[JOURNAL_STATES];
    (void)id;
    if (journal_is_unfinished(path))
        return remove_unfinished(p, path);
    options.path = path;
    struct journal *j = journal_open_light(&options, true, &ignored);
    if (j == NULL)
        return true;
    const struct journal_run *run = journal_run(j);
    if (run->started >= p->before || !journal_counts(j, counts)
        || leaves_something(run->state, counts)) {
        journal_close(j, &ignored);
        return true;
    }
    p->fine = journal_discard(j, p->fault);
    p->removed += p->fine;
    return p->fine;
}

bool journal_prune(const struct journal_options *options, double before, size_t *removed,
                   struct journal_fault *fault)
{
    struct pruning pruning = { options, before, 0, fault, true };
    bool fine = visit_all(options->path, prune_one, &pruning, fault) && pruning.fine;
    *removed = pruning.removed;
    return fine;
}
