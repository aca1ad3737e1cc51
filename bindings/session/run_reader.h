/* runs: the journals of earlier runs, to look at and to remove.
 *
 * In Lua (all in kelp.raw; they raise error objects of kind `journal`):
 *   runs(folder)  an array of the runs in it, in the order of their ids. Of each:
 *       id, path, script; and either what it says of itself (see below), resumable,
 *       or problem = { kind, message, pid }: it cannot be read, or is under way
 *       (kind "busy")
 *   writes_open(path)  a reader of one run, checked from end to end; until it is closed
 *       or collected, nobody can resume the run or remove it
 *   reader:about()  id, script, tool, digest, arguments and targets (JSON texts),
 *       started, ended (seconds since 1970), state, passes, counts (by state)
 *   reader:next()   the next operation, nil after the last: see op_table_push
 *   reader:close()
 *   run_remove(path)  removes one run, whatever its state, unless it is in use
 *   run_prune(folder, before)  removes the runs that started before that time and
 *       leave nothing to resume; how many */
#ifndef KELP_SESSION_RUN_READER_H
#define KELP_SESSION_RUN_READER_H

#include <lauxlib.h>

/* The functions above, for kelp.raw. */
extern const luaL_Reg run_reader_functions[];

#endif
