/* task_schedule: the scheduler: runs the tasks that are ready, and ends the waits of the
 * others. Private to task.c and task_run.c. The only caller of lua_resume. */
#ifndef KELP_LUA_TASK_SCHEDULE_H
#define KELP_LUA_TASK_SCHEDULE_H

#include "lua/timers.h"

#include <lua.h>

#include <stdbool.h>
#include <stddef.h>

struct clock;
struct engine;
struct exchange;

/* Wakes a call that waits. A task that can park has its own; a
 * call that cannot park has one on the C stack and runs the scheduler itself. */
struct waiter {
    struct task *task; /* NULL: on the C stack, nothing to make ready */
    bool done;
    struct waiter *next; /* of those that wait for one task's end */
};

enum wait { WAIT_NONE, WAIT_EXCHANGE, WAIT_SLEEP, WAIT_PARK, WAIT_JOIN, WAIT_COMMIT };

/* Seconds that writes under way are given to end when the run is broken off. */
#define SCHEDULER_DRAIN_SECONDS 10.0

struct task {
    lua_State *co;             /* user value THREAD keeps it alive */
    struct waiter waiter;
    struct waiter *blocked;    /* a call of it that runs the scheduler, or NULL */
    enum wait wait;            /* what it waits for while it is parked */
    struct exchange *exchange; /* of WAIT_EXCHANGE */
    struct timer timer;        /* of WAIT_SLEEP */
    struct task *joined;       /* of WAIT_JOIN */
    struct waiter *joiners;    /* those that wait for its end */
    const char *cancelled;     /* why its next wait raises, or NULL */
    bool ended;
    bool seen;                 /* its error value was handed out */
    int arguments;             /* values to pass at the first resume */
    int status;
    int raised;               /* times that an interrupt has raised in it */
    struct task *next_ready;
    struct task *next, *previous;       /* all that have not ended */
};

struct scheduler {
    struct engine *engine;
    struct clock *clock;
    struct task *all;
    size_t count;
    struct task *ready_first, *ready_last;
    struct timers timers;
    struct task *current;
    struct task *committers; /* of WAIT_COMMIT, linked by next_ready */
    double drain_until;      /* of the run that is being broken off; 0: none is */
    bool interrupted;        /* the waits of all tasks have been ended for the interrupt */
};

/* User values of a task. */
enum { TASK_THREAD = 1, TASK_TRACEBACK = 2 };

#define TASK_METATABLE "kelp.task"

/* Gives the state its scheduler over `e`. [-0, +0, m] */
void scheduler_open(lua_State *L, struct engine *e);
struct scheduler *scheduler_of(lua_State *L);

/* Moves the function and `nargs` arguments at the top into a new task, which is
 * pushed and anchored at registry[task]. [-(nargs + 1), +1, m] */
struct task *scheduler_push_task(lua_State *L, struct scheduler *s, int nargs);

/* Takes an ended task out of the scheduler; it stays a value for as long as it is
 * referenced. [-0, +0, -] */
void scheduler_retire(lua_State *L, struct scheduler *s, struct task *t);

/* The task is resumed in its turn. */
void scheduler_make_ready(struct scheduler *s, struct task *t);

/* Ends the present wait of a parked task early; its continuation then raises,
 * or, when the exchange has ended all the same, returns what came. */
void scheduler_end_wait(struct scheduler *s, struct task *t);

/* Ends what the tasks wait for. Writes under way get SCHEDULER_DRAIN_SECONDS. */
void scheduler_end_all_waits(struct scheduler *s);

void scheduler_unlink_joiner(struct task *joined, struct waiter *w);

/* Before and after each wait. An interrupt raises in every wait; task_cancel
 * raises once, so that cleaning up may wait again. [-0, +0, e] */
void scheduler_check_cancelled(lua_State *L, struct scheduler *s);

/* One turn: resumes a ready task, or waits (at most until `due`; negative: no
 * limit) for something to happen. False when nothing ever can. */
bool scheduler_turn(struct scheduler *s, lua_State *L, double due);

/* Cancels the tasks that wait for each other when nothing can happen any more. */
void scheduler_break_deadlock(struct scheduler *s);

#endif
