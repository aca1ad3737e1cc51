#include "connector/verb_table.h"

#include "providers/verb.h"

static void set_text(lua_State *L, const char *field, const char *text)
{
    if (text != NULL) {
        lua_pushstring(L, text);
        lua_setfield(L, -2, field);
    }
}

static void set_flag(lua_State *L, const char *field, bool flag)
{
    lua_pushboolean(L, flag);
    lua_setfield(L, -2, field);
}

static void push_row(lua_State *L, const struct verb_row *row)
{
    lua_createtable(L, 0, 11);
    set_text(L, "name", row->name);
    set_text(L, "effect", verb_effect_name(row->effect));
    set_text(L, "inverse", row->inverse);
    set_text(L, "sign", row->sign);
    set_text(L, "state", row->state);
    set_text(L, "usage", row->usage);
    set_text(L, "help", row->help);
    set_flag(L, "public", row->step_of == NULL);
    set_flag(L, "writes", row->effect != EFFECT_NONE);
    set_flag(L, "on_target", row->on != VERB_NOWHERE);
    set_flag(L, "on_connector", row->on == VERB_ON_BOTH);
}

void verb_table_push(lua_State *L)
{
    const struct verb_row *row;
    lua_newtable(L);
    for (size_t i = 0; (row = verb_row_at(i)) != NULL; i++) {
        push_row(L, row);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, row->name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}
