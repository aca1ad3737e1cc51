#include "lua/json.h"

#include "lua/json_bytes.h"
#include "lua/json_number.h"
#include "lua/json_scan.h"
#include "lua/json_write.h"

#include <lauxlib.h>
#include <lua.h>

#include <lua-cjson.h>

#include <stdbool.h>

/* json_scan has refused or marked all that cjson would get wrong, so cjson only
 * builds the value; one walk over that value turns its floats into integers and
 * replaces the marks. */

enum {
    SCRATCH_KEPT = 64 * 1024 /* bytes of scratch that stay for the next call */
};

/* In the registry under the address of this, so in no script's reach. */
static const char codec_key;

struct codec {
    struct json_scratch out, entries;
    size_t max_text;
    bool closed; /* its finalizer has run: the state is being closed */
};

/* The codec's user values. */
enum { SLOT_DECODE = 1, SLOT_ARRAY_MT, SLOTS = SLOT_ARRAY_MT };

static int close_codec(lua_State *L)
{
    struct codec *c = lua_touserdata(L, 1);
    json_scratch_trim(L, &c->out, 0);
    json_scratch_trim(L, &c->entries, 0);
    c->closed = true;
    return 0;
}

/* Pushes the codec, too, for its user values. */
static struct codec *push_codec(lua_State *L)
{
    luaL_checkstack(L, 6, "JSON");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &codec_key);
    struct codec *c = lua_touserdata(L, -1);
    if (c == NULL || c->closed)
        luaL_error(L, "the JSON codec is not open in this Lua state");
    return c;
}

/* The walk over a decoded value. */
struct exact {
    lua_State *L;
    int array_mt; /* the index of the metatable of arrays */
    bool marks;   /* strings must be looked at */
    size_t members;
};

/* Pushes what a marked string stands for: `token` is what follows the mark. */
static void push_marked(const struct exact *x, const char *token, size_t size)
{
    lua_State *L = x->L;
    lua_Integer integer;
    if (*token == '[') {
        lua_createtable(L, 0, 0);
        lua_pushvalue(L, x->array_mt);
        lua_setmetatable(L, -2);
    } else if (json_number_read(token, size, &integer) == JSON_NUMBER_INTEGER) {
        lua_pushinteger(L, integer);
    } else if (lua_stringtonumber(L, token) == 0) {
        lua_pushliteral(L, "invalid JSON: a number that cannot be read");
        lua_error(L);
    }
}

/* Pushes what the scalar at `index` has to become, if that is another value. */
static bool push_exact(const struct exact *x, int index)
{
    lua_State *L = x->L;
    int type = lua_type(L, index);
    if (type == LUA_TNUMBER) {
        lua_pushinteger(L, lua_tointeger(L, index));
        return true;
    }
    if (!x->marks || type != LUA_TSTRING)
        return false;
    size_t size;
    const char *text = lua_tolstring(L, index, &size);
    if ((unsigned char)*text != JSON_MARK)
        return false;
    push_marked(x, text + 1, size - 1);
    return true;
}

/* Makes the table at the top exact, and all below it; counts the members. */
static void make_table_exact(struct exact *x)
{
    lua_State *L = x->L;
    int table = lua_gettop(L), key = table + 1, value = table + 2;
    lua_pushnil(L);
    while (lua_next(L, table)) {
        x->members += lua_type(L, key) == LUA_TSTRING;
        if (lua_type(L, value) == LUA_TTABLE) {
            make_table_exact(x);
        } else {
            lua_pushvalue(L, key);
            if (push_exact(x, value))
                lua_rawset(L, table);
        }
        lua_settop(L, key);
    }
}

/* Seen when the object has been read: there is no offset to tell. */
static void raise_twice(lua_State *L)
{
    lua_pushliteral(L, "invalid JSON: a key stands twice in an object");
    lua_error(L);
}

/* Makes exact what cjson has left at the top; `codec` is the codec's index. cjson
 * keeps the last of two members of one name. Which one the sender meant cannot be
 * told, so there must be as many keys as there were members. */
static void make_exact(lua_State *L, const struct json_scan *scanned, int codec)
{
    luaL_checkstack(L, 3 * JSON_MAX_DEPTH + 8, "JSON");
    lua_getiuservalue(L, codec, SLOT_ARRAY_MT);
    lua_insert(L, -2);
    struct exact x = {.L = L, .array_mt = lua_gettop(L) - 1, .marks = scanned->marks};
    if (lua_type(L, -1) == LUA_TTABLE)
        make_table_exact(&x);
    else if (push_exact(&x, -1))
        lua_replace(L, -2);
    lua_remove(L, x.array_mt);
    if (x.members != scanned->members)
        raise_twice(L);
}

static void check_size(lua_State *L, const struct codec *c, size_t size)
{
    if (size <= c->max_text)
        return;
    lua_pushfstring(L, "invalid JSON: the text is longer than %I bytes", (lua_Integer)c->max_text);
    lua_error(L);
}

/* Pushes cjson's decoder and the text that was scanned, and gives up the scratch that it
 * may be in: a finalizer that runs from here on may use the codec. `codec` is the codec's
 * index, `source` that of the text as a Lua string, or 0. */
static void push_scanned(lua_State *L, struct codec *c, int codec,
                         const struct json_scan *scanned, int source)
{
    lua_getiuservalue(L, codec, SLOT_DECODE);
    if (scanned->marks || source == 0)
        lua_pushlstring(L, scanned->text, scanned->size);
    else
        lua_pushvalue(L, source);
    json_scratch_trim(L, &c->out, SCRATCH_KEPT);
}

/* Replaces the two by the value. */
static void decode_pushed(lua_State *L, int codec, const struct json_scan *scanned)
{
    lua_call(L, 1, 1);
    make_exact(L, scanned, codec);
}

/* `source` is the index of the text as a Lua string, or 0. */
static void decode(lua_State *L, const char *text, size_t size, int source)
{
    struct codec *c = push_codec(L);
    int codec = lua_gettop(L);
    check_size(L, c, size);
    struct json_scan scanned;
    json_scan(L, &c->out, size > 0 ? text : "", size, &scanned);
    push_scanned(L, c, codec, &scanned, source);
    decode_pushed(L, codec, &scanned);
    lua_remove(L, codec);
}

/* Pushes a member's name and notes it in the table at `names`. */
static void push_name(lua_State *L, int codec, const struct json_member *member, int names)
{
    lua_getiuservalue(L, codec, SLOT_DECODE);
    lua_pushlstring(L, member->key, member->key_size);
    lua_call(L, 1, 1);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, names) != LUA_TNIL)
        raise_twice(L);
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_pushboolean(L, 1);
    lua_rawset(L, names);
}

bool json_decode_members(lua_State *L, const char *text, size_t size, char opening,
                         void (*take)(lua_State *, void *), void *context)
{
    struct json_walk walk;
    if (!json_walk_begin(&walk, text, size, opening))
        return false;
    struct codec *c = push_codec(L);
    int codec = lua_gettop(L), taken = codec + 1, names = codec + 2;
    luaL_checkstack(L, LUA_MINSTACK + 8, "JSON");
    check_size(L, c, size);
    lua_newtable(L);
    lua_newtable(L);
    struct json_member member;
    lua_Integer kept = 0;
    for (lua_Integer i = 1; json_walk_next(L, &walk, &c->out, &member); i++) {
        push_scanned(L, c, codec, &member.value, 0);
        if (member.key != NULL)
            push_name(L, codec, &member, names);
        else
            lua_pushinteger(L, i);
        lua_insert(L, -3);
        decode_pushed(L, codec, &member.value);
        take(L, context);
        if (lua_isnil(L, -1))
            lua_pop(L, 1);
        else
            lua_rawseti(L, taken, ++kept);
    }
    if (kept == 0) {
        lua_getiuservalue(L, codec, SLOT_ARRAY_MT);
        lua_setmetatable(L, taken);
    }
    lua_settop(L, taken);
    lua_remove(L, codec);
    return true;
}

void json_decode(lua_State *L, const char *text, size_t size)
{
    decode(L, text, size, 0);
}

void json_decode_string(lua_State *L)
{
    size_t size;
    const char *text = lua_tolstring(L, -1, &size);
    decode(L, text, size, lua_gettop(L));
    lua_remove(L, -2);
}

void json_encode(lua_State *L)
{
    struct codec *c = push_codec(L);
    lua_getiuservalue(L, -1, SLOT_ARRAY_MT);
    lua_pushvalue(L, -3);
    struct json_writer writer = {.out = &c->out, .entries = &c->entries, .limit = c->max_text};
    json_write(L, &writer, lua_gettop(L) - 1);
    lua_pushlstring(L, c->out.bytes, c->out.size);
    json_scratch_trim(L, &c->out, SCRATCH_KEPT);
    json_scratch_trim(L, &c->entries, SCRATCH_KEPT);
    lua_replace(L, -5);
    lua_pop(L, 3);
}

void json_push_null(lua_State *L)
{
    lua_pushlightuserdata(L, NULL);
}

int json_is_array(lua_State *L, int index)
{
    if (!lua_istable(L, index))
        return 0;
    if (lua_rawlen(L, index) > 0)
        return 1;
    if (!lua_getmetatable(L, index))
        return 0;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &codec_key);
    lua_getiuservalue(L, -1, SLOT_ARRAY_MT);
    int equal = lua_rawequal(L, -1, -3);
    lua_pop(L, 3);
    return equal;
}

int json_is_null(lua_State *L, int index)
{
    return lua_islightuserdata(L, index) && lua_touserdata(L, index) == NULL;
}

void json_set_max_text(lua_State *L, size_t max_text)
{
    push_codec(L)->max_text = max_text < JSON_MAX_TEXT ? max_text : JSON_MAX_TEXT;
    lua_pop(L, 1);
}

static int script_decode(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TSTRING);
    size_t size;
    const char *text = lua_tolstring(L, 1, &size);
    decode(L, text, size, 1);
    return 1;
}

static int script_encode(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    json_encode(L);
    return 1;
}

/* array([t]): marks a table as an array, so that it is written as [] when empty. */
static int script_array(lua_State *L)
{
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    push_codec(L);
    lua_getiuservalue(L, 2, SLOT_ARRAY_MT);
    if (lua_getmetatable(L, 1)) {
        luaL_argcheck(L, lua_rawequal(L, -1, 3), 1, "the table has another metatable");
        lua_pop(L, 1);
    }
    lua_setmetatable(L, 1);
    lua_settop(L, 1);
    return 1;
}

/* Each call of luaopen_cjson makes an instance of its own. */
static void push_cjson_decode(lua_State *L)
{
    luaopen_cjson(L);
    lua_getfield(L, -1, "decode_invalid_numbers");
    lua_pushboolean(L, false);
    lua_call(L, 1, 0);
    lua_getfield(L, -1, "decode_max_depth");
    lua_pushinteger(L, JSON_MAX_DEPTH);
    lua_call(L, 1, 0);
    lua_getfield(L, -1, "encode_keep_buffer");
    lua_pushboolean(L, false);
    lua_call(L, 1, 0);
    lua_getfield(L, -1, "decode");
    lua_remove(L, -2);
}

static void make_codec(lua_State *L)
{
    struct codec *c = lua_newuserdatauv(L, sizeof *c, SLOTS);
    *c = (struct codec){.max_text = JSON_MAX_TEXT};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, close_codec);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    push_cjson_decode(L);
    lua_setiuservalue(L, -2, SLOT_DECODE);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "kelp.json.array");
    lua_setfield(L, -2, "__name");
    lua_setiuservalue(L, -2, SLOT_ARRAY_MT);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &codec_key);
}

int luaopen_kelp_json(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"decode", script_decode}, {"encode", script_encode}, {"array", script_array},
        {NULL, NULL},
    };
    luaL_checkstack(L, 8, "JSON");
    bool made = lua_rawgetp(L, LUA_REGISTRYINDEX, &codec_key) == LUA_TUSERDATA;
    lua_pop(L, 1);
    if (!made)
        make_codec(L);
    luaL_newlib(L, functions);
    json_push_null(L);
    lua_setfield(L, -2, "null");
    return 1;
}
