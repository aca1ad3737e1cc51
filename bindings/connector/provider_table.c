#include "connector/provider_table.h"

#include "providers/provider.h"

#include <stddef.h>
#include <string.h>


static void set_text(lua_State *L, const char *field, const char *text)
{
    lua_pushstring(L, text); /* nil for NULL */
    lua_setfield(L, -2, field);
}

/* Of at most `most` texts, which NULL ends before that; `texts` may be NULL. */
static void set_texts(lua_State *L, const char *field, const char *const *texts, size_t most)
{
    lua_newtable(L);
    for (size_t i = 0; texts != NULL && i < most && texts[i] != NULL; i++) {
        lua_pushstring(L, texts[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, field);
}

static void set_places(lua_State *L, const struct provider *p)
{
    lua_newtable(L);
    for (size_t i = 0; p->places[i].name != NULL; i++) {
        lua_createtable(L, 0, 3);
        set_text(L, "name", p->places[i].name);
        set_texts(L, "variables", p->places[i].variables, MAX_VARIABLES);
        set_text(L, "simulated", p->places[i].simulated);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "places");
}

static void set_credentials(lua_State *L, const struct provider *p)
{
    const struct credential *const all[] = {&p->user, &p->password, &p->token};
    lua_Integer count = 0;
    lua_newtable(L);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i]->option == NULL)
            continue;
        lua_createtable(L, 0, 3);
        set_text(L, "option", all[i]->option);
        set_text(L, "variable", all[i]->variable);
        set_text(L, "simulated", all[i]->simulated);
        lua_rawseti(L, -2, ++count);
    }
    lua_setfield(L, -2, "credentials");
}

static void set_cluster_mode(lua_State *L, const struct provider *p)
{
    if (p->cluster_mode.key == NULL)
        return;
    lua_createtable(L, 0, 2);
    set_text(L, "key", p->cluster_mode.key);
    set_text(L, "value", p->cluster_mode.value);
    lua_setfield(L, -2, "cluster_mode");
}

/* By name: since when. */
static void set_abilities(lua_State *L, const struct provider *p)
{
    lua_newtable(L);
    for (const struct ability *a = p->abilities; a != NULL && a->name != NULL; a++)
        set_text(L, a->name, a->since);
    lua_setfield(L, -2, "abilities");
}

/* The member of a connector in a response that becomes the record's field. */
static const char *member_of(const struct provider *p, const char *to)
{
    for (const struct field *f = p->connector; f->from != NULL; f++) {
        if (f->to != NULL && strcmp(f->to, to) == 0)
            return f->from;
    }
    return NULL;
}

void provider_table_push(lua_State *L)
{
    const struct provider *p;
    lua_newtable(L);
    for (size_t i = 0; (p = provider_at(i)) != NULL; i++) {
        lua_createtable(L, 0, 14);
        set_text(L, "name", p->name);
        set_text(L, "title", p->title);
        set_text(L, "address", p->url_option != NULL ? p->url_option : "base_url");
        set_places(L, p);
        set_credentials(L, p);
        set_text(L, "simulator_path", p->simulator_path);
        set_texts(L, "rejections", p->rejections, (size_t)-1);
        set_texts(L, "cluster_keys", p->cluster_keys, (size_t)-1);
        set_cluster_mode(L, p);
        set_abilities(L, p);
        set_texts(L, "simulated_secrets", p->simulated_secrets, (size_t)-1);
        set_text(L, "config", member_of(p, "config"));
        set_text(L, "class", member_of(p, "class"));
        lua_pushboolean(L, p->saved_lists);
        lua_setfield(L, -2, "saved_lists");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}
