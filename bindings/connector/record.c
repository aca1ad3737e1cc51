#include "connector/record.h"

#include "base/buffer.h"
#include "base/text.h"
#include "secret/secret.h"
#include "lua/json.h"
#include "connector/config.h"
#include "connector/connector.h"

#include <lauxlib.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* kelp's own words for the states of connectors and tasks. */
static const char *const states[] = {
    "running", "failed", "paused", "pending", "provisioning", "degraded", "stopped", "unassigned",
    "restarting",
};

void record_push_states(lua_State *L)
{
    lua_newtable(L);
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        lua_pushstring(L, states[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_pushliteral(L, "unknown"); /* what is none of them */
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

static int fail(lua_State *L, const char *what)
{
    lua_pushfstring(L, "unexpected response: %s", what);
    return lua_error(L);
}

/* Of the value at the top. */
static int wrong_type(lua_State *L, const char *field, size_t size)
{
    lua_pushlstring(L, field, size);
    lua_pushfstring(L, "%s is a %s", lua_tostring(L, -1), luaL_typename(L, -2));
    return fail(L, lua_tostring(L, -1));
}

/* ---- paths ---- */

static void push_key(lua_State *L, const char *part, size_t size)
{
    if (size > 0 && isdigit((unsigned char)*part))
        lua_pushinteger(L, strtol(part, NULL, 10));
    else
        lua_pushlstring(L, part, size);
}

/* Replaces JSON null at the top by nil; `type` is the value's. Returns the type of what is there. */
static int null_to_nil(lua_State *L, int type)
{
    if (type != LUA_TLIGHTUSERDATA || !json_is_null(L, -1))
        return type;
    lua_pop(L, 1);
    lua_pushnil(L);
    return LUA_TNIL;
}

/* As record_push_path, returning the value's type; a part that is no table raises when it `must`
 * be one. */
static int push_path(lua_State *L, int source, const char *path, bool must)
{
    lua_pushvalue(L, source);
    for (const char *part = path;; part += strcspn(part, ".") + 1) {
        size_t size = strcspn(part, ".");
        if (lua_isnil(L, -1) || json_is_null(L, -1) || (!must && !lua_istable(L, -1))) {
            lua_pop(L, 1);
            lua_pushnil(L);
            return LUA_TNIL;
        }
        if (!lua_istable(L, -1))
            wrong_type(L, path, part > path ? (size_t)(part - path) - 1 : 0);
        push_key(L, part, size);
        lua_rawget(L, -2);
        lua_remove(L, -2);
        if (part[size] == '\0')
            break;
    }
    return null_to_nil(L, lua_type(L, -1));
}

void record_push_path(lua_State *L, int source, const char *path)
{
    push_path(L, lua_absindex(L, source), path, false);
}

enum { DETAILS = 8 }; /* as many as any provider tells */

/* Pops the value at the top into the field of the record; `to` may be "details.FIELD". */
static void set_field(lua_State *L, int record, const char *to)
{
    static const char prefix[] = "details.";
    if (strncmp(to, prefix, sizeof prefix - 1) != 0) {
        lua_setfield(L, record, to);
        return;
    }
    if (lua_getfield(L, record, "details") == LUA_TNIL) {
        lua_pop(L, 1);
        lua_createtable(L, 0, DETAILS);
        lua_pushvalue(L, -1);
        lua_setfield(L, record, "details");
    }
    lua_insert(L, -2);
    lua_setfield(L, -2, to + sizeof prefix - 1);
    lua_pop(L, 1);
}

/* ---- fields ---- */

static const char *state_of(const struct provider *p, const char *word)
{
    size_t size = strlen(word);
    for (const struct state_word *s = p->states; s != NULL && s->word != NULL; s++) {
        if (text_equals_word(word, size, s->word))
            return s->state;
    }
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        if (text_equals_word(word, size, states[i]))
            return states[i];
    }
    return NULL;
}

/* Pops a provider's word. A failure is the last word; any other state gives way to a later
 * one that is known. */
static void read_state(lua_State *L, const struct provider *p, int record, const char *to)
{
    const char *state = lua_type(L, -1) == LUA_TSTRING ? state_of(p, lua_tostring(L, -1)) : NULL;
    lua_getfield(L, record, to);
    const char *before = lua_tostring(L, -1);
    bool keeps = before != NULL && strcmp(before, "failed") == 0;
    lua_pop(L, 2);
    if (state == NULL || keeps)
        return;
    lua_pushstring(L, state);
    set_field(L, record, to);
}

static void read_fields(lua_State *L, const struct provider *p, const struct field *map, int source,
                        int record);

static void set_default_state(lua_State *L, int record)
{
    if (lua_getfield(L, record, "state") == LUA_TNIL) {
        lua_pushliteral(L, "unknown");
        lua_setfield(L, record, "state");
    }
    lua_pop(L, 1);
}

/* Replaces the array at the top by one of kelp's tasks. */
static void read_tasks(lua_State *L, const struct provider *p)
{
    int list = lua_gettop(L), tasks = list + 1;
    lua_newtable(L);
    for (lua_Integer i = 1; lua_rawgeti(L, list, i) != LUA_TNIL; i++) {
        if (!lua_istable(L, -1))
            fail(L, "a task is not an object");
        lua_createtable(L, 0, 4);
        read_fields(L, p, p->task, tasks + 1, tasks + 2);
        set_default_state(L, tasks + 2);
        lua_rawseti(L, tasks, i);
        lua_settop(L, tasks);
    }
    lua_settop(L, tasks);
    lua_replace(L, list);
}

static void hide(lua_State *L, const char *label)
{
    size_t size;
    const char *text = lua_tolstring(L, -1, &size);
    if (!secret_register(label, text, size))
        luaL_error(L, "not enough memory");
}

/* What the fields of a table are. The value is at the top and is popped. */
static void read_table(lua_State *L, const struct provider *p, const struct field *f, int record)
{
    int value = lua_gettop(L);
    if (!lua_istable(L, value))
        wrong_type(L, f->from, strlen(f->from));
    switch (f->type) {
    case FIELD_CONNECTOR:
        read_fields(L, p, p->connector, value, record);
        break;
    case FIELD_STATUS:
        read_fields(L, p, p->status, value, record);
        break;
    case FIELD_OBJECT:
        break;
    case FIELD_TASKS:
        read_tasks(L, p);
        set_field(L, record, f->to);
        return;
    case FIELD_CONFIG:
        config_receive(L, value);
        set_field(L, record, f->to);
        return;
    default:
        set_field(L, record, f->to);
        return;
    }
    lua_settop(L, value - 1);
}

/* The same for a text or a number. */
static void read_scalar(lua_State *L, const struct provider *p, const struct field *f, int record)
{
    int type = lua_type(L, -1);
    if (f->type == FIELD_STATE) {
        read_state(L, p, record, f->to);
        return;
    }
    bool fits = f->type == FIELD_VALUE    ? type == LUA_TNUMBER || type == LUA_TSTRING
                : f->type == FIELD_NUMBER ? type == LUA_TNUMBER
                                          : type == LUA_TSTRING;
    if (f->type == FIELD_SECRET && fits)
        hide(L, f->from);
    else if (f->type == FIELD_TYPE)
        fits = fits && (strcmp(lua_tostring(L, -1), "sink") == 0 ||
                        strcmp(lua_tostring(L, -1), "source") == 0);
    else if (!fits && f->type != FIELD_SECRET)
        wrong_type(L, f->from, strlen(f->from));
    if (fits && f->to != NULL && (type != LUA_TSTRING || lua_rawlen(L, -1) > 0))
        set_field(L, record, f->to);
    else
        lua_pop(L, 1);
}

static bool is_table_type(enum field_type type)
{
    return type == FIELD_CONFIG || type == FIELD_LIST || type == FIELD_TASKS ||
           type == FIELD_OBJECT || type == FIELD_CONNECTOR || type == FIELD_STATUS;
}

/* Pushes the array of what the fields of the map are called, false for a path. It is made once in
 * a state: a list of thousands asks for the same few strings again and again. */
static void push_names(lua_State *L, const struct field *map)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, map) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    for (lua_Integer i = 0; map[i].from != NULL; i++) {
        if (strchr(map[i].from, '.') == NULL)
            lua_pushstring(L, map[i].from);
        else
            lua_pushboolean(L, 0);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, map);
}

/* Pushes the field number `i` of the map, whose names are at `names`; returns its type. */
static int push_field(lua_State *L, const struct field *map, lua_Integer i, int names, int source)
{
    if (lua_rawgeti(L, names, i + 1) == LUA_TSTRING)
        return null_to_nil(L, lua_rawget(L, source));
    lua_pop(L, 1);
    return push_path(L, source, map[i].from, true);
}

/* Reads the table at `source` into the one at `record` (both absolute). */
static void read_fields(lua_State *L, const struct provider *p, const struct field *map, int source,
                        int record)
{
    if (map == NULL)
        return;
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    push_names(L, map);
    int names = lua_gettop(L);
    bool is_table = lua_istable(L, source); /* else the path says what it is instead */
    for (lua_Integer i = 0; map[i].from != NULL; i++) {
        const struct field *f = &map[i];
        bool is_there = (is_table ? push_field(L, map, i, names, source)
                                  : push_path(L, source, f->from, true)) != LUA_TNIL;
        if (!is_there && f->type == FIELD_OBJECT) {
            lua_pushfstring(L, "there is no %s", f->from);
            fail(L, lua_tostring(L, -1));
        }
        if (!is_there)
            lua_pop(L, 1);
        else if (is_table_type(f->type))
            read_table(L, p, f, record);
        else
            read_scalar(L, p, f, record);
    }
    lua_settop(L, names - 1);
}

/* ---- what no field tells ---- */

/* How the tasks of a record fare. */
struct task_count {
    lua_Integer all, failed;
    const char *moving; /* "unassigned" or "restarting": one of them is; a constant, or NULL */
};

/* Of the tasks at `tasks`; those whose state is not told count as neither. */
static struct task_count count_tasks(lua_State *L, int tasks)
{
    struct task_count count = {0, 0, NULL};
    for (lua_Integer i = 1; lua_rawgeti(L, tasks, i) == LUA_TTABLE; i++) {
        lua_getfield(L, -1, "state");
        const char *state = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "unknown";
        count.all++;
        if (strcmp(state, "failed") == 0)
            count.failed++;
        else if (strcmp(state, "unassigned") == 0)
            count.moving = "unassigned";
        else if (strcmp(state, "restarting") == 0 && count.moving == NULL)
            count.moving = "restarting";
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
    return count;
}

/* The worst of the connector and its tasks. Only of a connector that runs, tasks that are
 * not assigned say more than it does: those of a paused one are nobody's yet. */
static const char *health(const char *own, const struct task_count *tasks)
{
    if (tasks->failed > 0 && tasks->failed == tasks->all)
        return "failed";
    if (tasks->failed > 0 && strcmp(own, "failed") != 0)
        return "degraded";
    return tasks->moving != NULL && strcmp(own, "running") == 0 ? tasks->moving : own;
}

/* Makes `state` of the record that judgement. What the provider says of the connector alone
 * is kept in details.state where it is another. */
static void judge_state(lua_State *L, int record)
{
    int top = lua_gettop(L);
    const char *own = lua_getfield(L, record, "state") == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    if (own != NULL && lua_getfield(L, record, "tasks") == LUA_TTABLE) {
        struct task_count tasks = count_tasks(L, top + 2);
        const char *state = health(own, &tasks);
        if (state != own) {
            lua_pushvalue(L, top + 1);
            set_field(L, record, "details.state");
            lua_pushstring(L, state);
            lua_setfield(L, record, "state");
        }
    }
    lua_settop(L, top);
}

static void complete_class(lua_State *L, int record)
{
    int top = lua_gettop(L);
    if (lua_getfield(L, record, "class") == LUA_TNIL &&
        lua_getfield(L, record, "config") == LUA_TTABLE &&
        lua_getfield(L, -1, "connector.class") == LUA_TSTRING)
        lua_setfield(L, record, "class");
    lua_settop(L, top);
}

/* "…Sink…" and "…Source…" are what they say, and some makers' classes are sources. */
static void complete_type(lua_State *L, const struct provider *p, int record)
{
    int top = lua_gettop(L);
    const char *type = NULL;
    if (lua_getfield(L, record, "type") == LUA_TNIL &&
        lua_getfield(L, record, "class") == LUA_TSTRING) {
        const char *class = lua_tostring(L, -1), *dot = strrchr(class, '.');
        const char *simple = dot != NULL ? dot + 1 : class, *prefix = p->source_prefix;
        if (strstr(simple, "Sink") != NULL || strstr(simple, "SINK") != NULL)
            type = "sink";
        else if (strstr(simple, "Source") != NULL || strstr(simple, "SOURCE") != NULL ||
                 (prefix != NULL && strncmp(class, prefix, strlen(prefix)) == 0))
            type = "source";
    }
    if (type != NULL) {
        lua_pushstring(L, type);
        lua_setfield(L, record, "type");
    }
    lua_settop(L, top);
}

/* A failed connector's reason is often only in its first failed task. */
static void lift_task_error(lua_State *L, int record)
{
    int top = lua_gettop(L);
    if (lua_getfield(L, record, "error") == LUA_TNIL &&
        lua_getfield(L, record, "tasks") == LUA_TTABLE) {
        int tasks = lua_gettop(L);
        for (lua_Integer i = 1; lua_rawgeti(L, tasks, i) == LUA_TTABLE; i++) {
            if (lua_getfield(L, -1, "error") == LUA_TSTRING) {
                lua_setfield(L, record, "error");
                break;
            }
            lua_pop(L, 2);
        }
    }
    lua_settop(L, top);
}

/* The provider's name for the record's field. */
static const char *source_of(const struct provider *p, const char *to)
{
    for (const struct field *f = p->connector; f->from != NULL; f++) {
        if (f->to != NULL && strcmp(f->to, to) == 0)
            return f->from;
    }
    return to;
}

static void check_is_named(lua_State *L, const struct provider *p, int record)
{
    bool named = lua_getfield(L, record, "name") == LUA_TSTRING;
    bool known = !p->by_id || lua_getfield(L, record, "id") == LUA_TSTRING;
    if (named && known) {
        lua_settop(L, record);
        return;
    }
    if (p->by_id)
        lua_pushfstring(L, "a connector without %s or %s", source_of(p, "id"),
                        source_of(p, "name"));
    else
        lua_pushfstring(L, "a connector without %s", source_of(p, "name"));
    fail(L, lua_tostring(L, -1));
}

/* Pushes the record of the object at the top; `name`, at that index, is what a list calls it,
 * or 0. */
static void push_record(lua_State *L, const struct provider *p, const struct field *map, int name)
{
    int source = lua_gettop(L), record = source + 1;
    connector_new(L);
    read_fields(L, p, map, source, record);
    if (name != 0) {
        lua_pushvalue(L, name);
        lua_setfield(L, record, "name"); /* the key is what addresses it */
    }
    set_default_state(L, record);
    judge_state(L, record);
    complete_class(L, record);
    complete_type(L, p, record);
    lift_task_error(L, record);
    check_is_named(L, p, record);
}

/* ---- responses ---- */

/* Replaces the elements of the array at the top. */
static void read_task_configs(lua_State *L, const struct provider *p)
{
    int list = lua_gettop(L);
    for (lua_Integer i = 1; lua_rawgeti(L, list, i) != LUA_TNIL; i++) {
        if (!lua_istable(L, -1))
            fail(L, "a task is not an object");
        lua_createtable(L, 0, 2);
        read_fields(L, p, p->task_config, list + 1, list + 2);
        lua_rawseti(L, list, i);
        lua_settop(L, list);
    }
    lua_settop(L, list);
}

/* An object that is handed on; what it calls a config may hold secrets. */
static void read_object(lua_State *L, int value)
{
    if (lua_getfield(L, value, "config") == LUA_TTABLE)
        config_receive(L, -1);
    lua_settop(L, value);
}

void record_read(lua_State *L, const struct provider *p, enum response_content content)
{
    int value = lua_gettop(L);
    if (content == RESPONSE_DONE) {
        lua_pushboolean(L, 1);
        lua_replace(L, value);
        return;
    }
    if (content == RESPONSE_LIST || content == RESPONSE_TASKS) {
        if (!json_is_array(L, value))
            fail(L, "not an array");
        if (content == RESPONSE_TASKS)
            read_task_configs(L, p);
        return;
    }
    if (!lua_istable(L, value) || json_is_array(L, value))
        fail(L, "not an object");
    if (content == RESPONSE_OBJECT) {
        read_object(L, value);
        return;
    }
    bool is_status = content == RESPONSE_STATUS || content == RESPONSE_RESTARTED;
    push_record(L, p, is_status ? p->status : p->connector, 0);
    lua_replace(L, value);
}

/* ---- lists ---- */

struct listing {
    const struct provider *provider;
    void (*choose)(lua_State *L, void *context);
    void *context;
};

/* Replaces a member of a list and its key below it by the record, or by nil. */
static void take_listed(lua_State *L, void *data)
{
    const struct listing *l = data;
    const struct provider *p = l->provider;
    int entry = lua_gettop(L), key = entry - 1;
    bool by_name = p->list_opening == '{';
    if (!lua_istable(L, entry))
        fail(L, by_name ? "the list is not a map from names to connectors"
                        : "the list holds something that is not an object");
    push_record(L, p, p->listed != NULL ? p->listed : p->connector, by_name ? key : 0);
    lua_replace(L, key);
    lua_settop(L, key);
    if (l->choose != NULL)
        l->choose(L, l->context);
}

/* An object, {} too, is no proof that there are no connectors. */
static int refuse_list(lua_State *L, const struct provider *p)
{
    return fail(L, p->list_opening == '[' ? "the list is not an array"
                                          : "the list is not an object");
}

/* The value of the parameter in the query of an address, decoded; false when it has none. */
static bool push_parameter(lua_State *L, const char *address, const char *parameter)
{
    size_t length = strlen(parameter);
    const char *at = strchr(address, '?');
    while (at != NULL && !(strncmp(at + 1, parameter, length) == 0 && at[1 + length] == '='))
        at = strchr(at + 1, '&');
    if (at == NULL)
        return false;
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (const char *c = at + 2 + length; *c != '\0' && *c != '&' && *c != '#'; c++) {
        char digits[3] = {0};
        if (*c == '%' && isxdigit((unsigned char)c[1]) && isxdigit((unsigned char)c[2])) {
            memcpy(digits, c + 1, 2);
            luaL_addchar(&b, (char)strtol(digits, NULL, 16));
            c += 2;
        } else {
            luaL_addchar(&b, *c == '+' ? ' ' : *c);
        }
    }
    luaL_pushresult(&b);
    return true;
}

/* Pushes what names the next page in the response at `response`: a text, or nil. */
static void push_next(lua_State *L, const struct provider *p, int response)
{
    if (p->pages.next == NULL) {
        lua_pushnil(L);
        return;
    }
    push_path(L, response, p->pages.next, true);
    if (lua_isnil(L, -1) || (lua_type(L, -1) == LUA_TSTRING && lua_rawlen(L, -1) == 0)) {
        lua_pop(L, 1);
        lua_pushnil(L);
        return;
    }
    if (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNUMBER)
        wrong_type(L, p->pages.next, strlen(p->pages.next));
    const char *next = lua_tostring(L, -1); /* a number becomes a text */
    bool is_address = strstr(next, "://") != NULL || *next == '/' || *next == '?';
    if (!is_address)
        return;
    if (!push_parameter(L, next, p->pages.parameter))
        fail(L, "the address of the next page names no page");
    lua_remove(L, -2);
}

/* As record_read_list, for a list within an object. */
static void read_page(lua_State *L, struct listing *l, const char *text, size_t size)
{
    const struct provider *p = l->provider;
    json_decode(L, text, size);
    int response = lua_gettop(L), items = response + 1, out = response + 2;
    if (!lua_istable(L, response) || json_is_array(L, response))
        fail(L, "not an object");
    push_path(L, response, p->pages.items, true);
    if (!lua_istable(L, items) || (p->list_opening == '[') != json_is_array(L, items))
        refuse_list(L, p);
    lua_newtable(L);
    lua_Integer count = 0;
    lua_pushnil(L);
    while (lua_next(L, items)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        take_listed(L, l);
        if (lua_isnil(L, -1))
            lua_pop(L, 1);
        else
            lua_rawseti(L, out, ++count);
    }
    push_next(L, p, response);
    lua_remove(L, items);
    lua_remove(L, response);
}

void record_read_list(lua_State *L, const struct provider *p, const char *text, size_t size,
                      void (*choose)(lua_State *L, void *context), void *context)
{
    struct listing listing = {p, choose, context};
    if (p->pages.items != NULL) {
        read_page(L, &listing, text, size);
        return;
    }
    if (!json_decode_members(L, text, size, p->list_opening, take_listed, &listing)) {
        json_decode(L, text, size); /* a text that is no JSON is the greater surprise */
        refuse_list(L, p);
    }
    lua_pushnil(L);
}

int record_read_listed_call(lua_State *L)
{
    const struct provider *p = provider_named(luaL_checkstring(L, 1));
    luaL_argcheck(L, p != NULL, 1, "no such provider");
    struct listing listing = {p, NULL, NULL};
    lua_settop(L, 2);
    take_listed(L, &listing);
    return 1;
}
