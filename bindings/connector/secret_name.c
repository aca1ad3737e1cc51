#include "connector/secret_name.h"

#include "base/buffer.h"
#include "lua/error.h"
#include "secret/secret.h"

#include <lauxlib.h>

#include <stdint.h>
#include <string.h>

bool secret_name_is_known(const char *text, size_t size)
{
    if (secret_longest() == 0)
        return false;
    struct buffer shown;
    buffer_init(&shown, SIZE_MAX);
    bool same = secret_redact(&shown, text, size) && shown.size == size
                && memcmp(buffer_text(&shown), text, size) == 0;
    buffer_wipe(&shown);
    return !same;
}

void secret_name_refuse(lua_State *L, const char *what, const char *text, size_t size)
{
    if (!secret_name_is_known(text, size))
        return;
    error_push(L, ERROR_INVALID, "%s holds a secret, and would be shown, sent and recorded as it "
                                 "is; choose another", what);
    lua_pushliteral(L, "no");
    lua_setfield(L, -2, "sent");
    lua_error(L);
}

int secret_name_refuse_call(lua_State *L)
{
    size_t size;
    const char *text = luaL_checklstring(L, 2, &size);
    secret_name_refuse(L, luaL_checkstring(L, 1), text, size);
    return 0;
}
