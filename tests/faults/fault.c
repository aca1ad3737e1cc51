#define _GNU_SOURCE
#include "fault.h"

#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[ACTION_COUNT] = {
    [READ] = "read", [TAKE] = "take", [DELAY] = "delay", [MEANWHILE] = "meanwhile",
    [AGAIN] = "again", [FORWARD] = "forward", [LATER] = "later", [ANSWER] = "answer",
    [STATUS] = "status", [HEADER] = "header", [REMOVE] = "remove", [BODY] = "body",
    [FILE_] = "file", [FILL] = "fill", [LENGTH] = "length", [METER] = "meter", [SEND] = "send",
    [DRIP] = "drip", [RAW] = "raw", [REPEAT] = "repeat", [STALL] = "stall", [FIN] = "fin",
    [RST] = "rst", [HALF] = "half",
};

__attribute__((noreturn)) static void wrong(const char *what, const char *line)
{
    fprintf(stderr, "proxy: %s: %s\n", what, line);
    exit(3);
}

static void *owned(void *memory)
{
    if (memory == NULL)
        wrong("no memory", "");
    return memory;
}

static struct step *read_step(char *line)
{
    line += strspn(line, " ");
    size_t size = strcspn(line, " ");
    struct step *s = owned(calloc(1, sizeof *s));
    int action = 0;
    while (action < ACTION_COUNT &&
           (strlen(names[action]) != size || strncmp(names[action], line, size) != 0))
        action++;
    if (action == ACTION_COUNT)
        wrong("no such step", line);
    s->action = (enum action)action;
    const char *rest = line[size] != '\0' ? line + size + 1 : "";
    s->text = owned(strdup(rest));
    s->number = strtod(rest, NULL);
    return s;
}

static bool read_steps(struct fault *f)
{
    char *line = NULL;
    size_t room = 0;
    struct step **last = &f->steps;
    ssize_t size;
    bool ended = false;
    while (!ended && (size = getline(&line, &room, stdin)) > 0) {
        line[size - 1] = '\0';
        ended = strcmp(line, "end") == 0;
        if (!ended) {
            *last = read_step(line);
            last = &(*last)->next;
        }
    }
    free(line);
    return ended;
}

struct fault *fault_read(char *line)
{
    struct fault *f = owned(calloc(1, sizeof *f));
    char *rest = line, *word = strsep(&rest, " ");
    f->times = -1;
    f->connection = strcmp(word, "connection") == 0;
    if (!f->connection && strcmp(word, "fault") != 0)
        wrong("no such command", line);
    while ((word = strsep(&rest, " ")) != NULL) {
        if (strncmp(word, "skip=", 5) == 0)
            f->skip = strtol(word + 5, NULL, 10);
        else if (strncmp(word, "times=", 6) == 0)
            f->times = strtol(word + 6, NULL, 10);
        else if (strncmp(word, "lasting=", 8) == 0)
            f->lasting = strtod(word + 8, NULL);
        else if (f->method == NULL)
            f->method = owned(strdup(word));
        else if (f->target == NULL)
            f->target = owned(strdup(word));
        else
            wrong("one word too many", word);
    }
    if (!f->connection && f->target == NULL)
        wrong("a method and a text expected", line);
    if (!read_steps(f))
        wrong("without its end", line);
    return f;
}

static bool fits(const struct fault *f, const char *method, const char *target)
{
    if (method == NULL)
        return f->connection;
    return !f->connection && (strcmp(f->method, "*") == 0 || strcmp(f->method, method) == 0) &&
           (strcmp(f->target, "*") == 0 || strstr(target, f->target) != NULL);
}

const struct fault *fault_find(struct fault *first, const char *method, const char *target)
{
    for (struct fault *f = first; f != NULL; f = f->next) {
        if (f->times == 0 || !fits(f, method, target))
            continue;
        if (f->skip > 0) {
            f->skip--;
            continue;
        }
        if (f->lasting > 0 && f->until > 0 && wire_seconds() > f->until) {
            f->times = 0;
            continue;
        }
        if (f->until <= 0)
            f->until = wire_seconds() + f->lasting;
        if (f->times > 0)
            f->times--;
        return f;
    }
    return NULL;
}
