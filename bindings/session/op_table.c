#include "session/op_table.h"

#include "journal/journal.h"
#include "session/journal_encode.h"

#include <string.h>

static void set_text(lua_State *L, const char *field, const char *text)
{
    if (text != NULL) {
        lua_pushstring(L, text);
        lua_setfield(L, -2, field);
    }
}

bool op_table_is_partial(const char *verb)
{
    return strcmp(verb, "update") == 0;
}

/* Pushes the JSON text of what an operation's connector was before, as far as it was
 * recorded, or nil. [-0, +1, e] */
static void push_pre_image(lua_State *L, const struct journal_op *op)
{
    if (op_table_is_partial(op->verb))
        journal_push_pre_image(L, op->pre_image, op->request);
    else
        lua_pushstring(L, op->pre_image);
}

static void set_time(lua_State *L, const char *field, double seconds)
{
    if (seconds > 0) {
        lua_pushnumber(L, seconds);
        lua_setfield(L, -2, field);
    }
}

void op_table_push(lua_State *L, const struct journal_op *op)
{
    lua_createtable(L, 0, 16);
    lua_pushinteger(L, op->id);
    lua_setfield(L, -2, "op");
    lua_pushinteger(L, op->attempts);
    lua_setfield(L, -2, "attempts");
    set_text(L, "state", journal_state_name(op->state));
    set_time(L, "intended", op->intended);
    set_time(L, "ended", op->ended);
    set_text(L, "key", op->key);
    set_text(L, "verb", op->verb);
    set_text(L, "place", op->target);
    set_text(L, "connector", op->connector);
    set_text(L, "location", op->place);
    set_text(L, "request", op->request);
    push_pre_image(L, op);
    lua_setfield(L, -2, "pre_image");
    set_text(L, "result", op->result);
    set_text(L, "remote_id", op->remote_id);
    set_text(L, "error", op->error);
}
