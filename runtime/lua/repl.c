#include "lua/repl.h"

#include "base/buffer.h"
#include "base/terminal.h"
#include "secret/log.h"
#include "secret/secret.h"
#include "lua/completion.h"
#include "lua/evaluate.h"
#include "lua/state.h"
#include "lua/output.h"
#include "lua/history.h"
#include "lua/interrupt.h"

#include <histedit.h>
#include <lauxlib.h>

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HISTORY_SIZE = 1000, MAX_STATEMENT = 16 * 1024 * 1024, MAX_PATH = 4096 };

/* libedit asks for the prompt as a char *, and does not write to it. */
static char first_prompt[] = "kelp> ", next_prompt[] = "   .. ";

struct repl {
    lua_State *L;
    EditLine *editor;
    History *history;
    const char *history_path; /* NULL when none is kept */
    struct buffer statement;  /* the lines so far */
    char *prompt; /* one of the two below */
    bool cleared; /* Ctrl-C ended the line */
};

/* Editing ---------------------------------------------------------------- */

static struct repl *repl_of(EditLine *editor)
{
    struct repl *r = NULL;
    el_get(editor, EL_CLIENTDATA, &r);
    return r;
}

static char *prompt(EditLine *editor)
{
    return repl_of(editor)->prompt;
}

static int columns_of_terminal(void)
{
    int columns = terminal_columns(STDOUT_FILENO);
    return columns > 0 ? columns : TERMINAL_DEFAULT_COLUMNS;
}

/* Ctrl-C at the prompt: it arrives as a character, see open_editor. The line is
 * ended as if by Enter, which leaves the cursor where it belongs; session drops
 * it. */
static unsigned char clear_line(EditLine *editor, int key)
{
    (void)key;
    const LineInfo *line = el_line(editor);
    el_cursor(editor, (int)(line->lastchar - line->cursor));
    el_insertstr(editor, "^C");
    el_push(editor, "\n");
    repl_of(editor)->cleared = true;
    return CC_REFRESH;
}

/* libedit's handlers restore the terminal before and the line after. */
static unsigned char suspend(EditLine *editor, int key)
{
    (void)editor, (void)key;
    raise(SIGTSTP);
    return CC_REDISPLAY;
}

static size_t common_prefix(const char *a, const char *b)
{
    size_t size = 0;
    while (a[size] != '\0' && a[size] == b[size])
        size++;
    return size;
}

/* Shows the names of the array at `names` in columns below the line. */
static void list_names(lua_State *L, int names, FILE *out)
{
    lua_Integer count = (lua_Integer)lua_rawlen(L, names);
    size_t longest = 0;
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, names, i);
        size_t size = lua_rawlen(L, -1);
        longest = size > longest ? size : longest;
        lua_pop(L, 1);
    }
    lua_Integer across = columns_of_terminal() / (lua_Integer)(longest + 2);
    if (across < 1)
        across = 1;
    lua_Integer down = (count + across - 1) / across;
    for (lua_Integer row = 1; row <= down; row++) {
        for (lua_Integer i = row; i <= count; i += down) {
            lua_rawgeti(L, names, i);
            bool last = i + down > count;
            fprintf(out, row == 1 && i == 1 ? "\n%-*s" : "%-*s", last ? 0 : (int)longest + 2,
                    lua_tostring(L, -1));
            lua_pop(L, 1);
        }
        fputc('\n', out);
    }
}

/* (repl) -> what the editor shall do. In Lua, so that running out of memory is
 * an error that can be caught. */
static int completion_protected(lua_State *L)
{
    struct repl *r = lua_touserdata(L, 1);
    const LineInfo *line = el_line(r->editor);
    lua_pushcfunction(L, completion_line);
    lua_pushlstring(L, line->buffer, (size_t)(line->cursor - line->buffer));
    lua_call(L, 1, 2);
    size_t typed = (size_t)lua_tointeger(L, 3);
    lua_Integer count = (lua_Integer)lua_rawlen(L, 2);
    lua_Integer action = CC_REFRESH;
    if (count == 0) {
        el_beep(r->editor);
    } else {
        lua_rawgeti(L, 2, 1);
        lua_rawgeti(L, 2, count);
        const char *first = lua_tostring(L, -2);
        size_t common = common_prefix(first, lua_tostring(L, -1));
        if (common > typed) {
            lua_pushlstring(L, first + typed, common - typed);
            el_insertstr(r->editor, lua_tostring(L, -1));
        } else if (count > 1) {
            FILE *out = NULL;
            el_get(r->editor, EL_GETFP, 1, &out);
            list_names(L, 2, out);
            action = CC_REDISPLAY;
        }
    }
    lua_pushinteger(L, action);
    return 1;
}

static unsigned char complete(EditLine *editor, int key)
{
    (void)key;
    struct repl *r = repl_of(editor);
    const LineInfo *line = el_line(editor);
    /* Where nothing stands before it a tab indents: code is pasted here too. */
    if (strspn(line->buffer, " \t") >= (size_t)(line->cursor - line->buffer))
        return el_insertstr(editor, "  ") == 0 ? CC_REFRESH : CC_ERROR;
    lua_State *L = r->L;
    int top = lua_gettop(L);
    if (!lua_checkstack(L, 8))
        return CC_ERROR;
    lua_pushcfunction(L, completion_protected);
    lua_pushlightuserdata(L, r);
    unsigned char action = CC_ERROR;
    if (lua_pcall(L, 1, 1, 0) == LUA_OK)
        action = (unsigned char)lua_tointeger(L, -1);
    lua_settop(L, top);
    return action;
}

/* Keys that terminals send whatever their terminfo entry says. */
static void bind_keys(EditLine *editor)
{
    static const char *const keys[][2] = {
        {"^R", "em-inc-search-prev"},    {"^W", "ed-delete-prev-word"},
        {"\\e[H", "ed-move-to-beg"},     {"\\eOH", "ed-move-to-beg"},
        {"\\e[1~", "ed-move-to-beg"},    {"\\e[F", "ed-move-to-end"},
        {"\\eOF", "ed-move-to-end"},     {"\\e[4~", "ed-move-to-end"},
        {"\\e[3~", "ed-delete-next-char"}, {"\\e[1;5D", "ed-prev-word"},
        {"\\e[1;5C", "em-next-word"},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        el_set(editor, EL_BIND, keys[i][0], keys[i][1], NULL);
}

static bool open_editor(struct repl *r)
{
    setlocale(LC_CTYPE, "");
    /* The editor shows what is typed, and asks its streams for their terminal. */
    FILE *err = output_direct(STDERR_FILENO);
    FILE *out = isatty(STDOUT_FILENO) ? output_direct(STDOUT_FILENO) : err;
    r->editor = el_init("kelp", output_direct(STDIN_FILENO), out, err);
    if (r->editor == NULL)
        return false;
    EditLine *e = r->editor;
    el_set(e, EL_CLIENTDATA, r);
    el_set(e, EL_PROMPT, prompt);
    el_set(e, EL_EDITOR, "emacs");
    el_set(e, EL_SIGNAL, 1);
    el_set(e, EL_HIST, history, r->history);
    /* The wide form, because libedit 3.1 leaks a copy in the other. */
    el_wset(e, EL_ADDFN, L"kelp-complete", L"complete a name", complete);
    el_wset(e, EL_ADDFN, L"kelp-clear", L"clear what is typed", clear_line);
    el_wset(e, EL_ADDFN, L"kelp-suspend", L"stop until continued", suspend);
    bind_keys(e);
    (void)el_source(e, NULL); /* the user's own .editrc; most have none */
    el_set(e, EL_BIND, "\t", "kelp-complete", NULL);
    el_set(e, EL_BIND, "^C", "kelp-clear", NULL);
    el_set(e, EL_BIND, "^Z", "kelp-suspend", NULL);
    /* While a line is edited Ctrl-C and Ctrl-Z are characters: a signal would
     * reach the caller's handler, which is there for code that runs. */
    el_set(e, EL_SETTY, "-d", "-isig", NULL);
    return true;
}

/* History ---------------------------------------------------------------- */

static void give_up_history(struct repl *r, int why)
{
    log_line(LOG_WARNING, "the history is not kept: %s: %s", r->history_path, strerror(why));
    r->history_path = NULL;
}

static void enter(void *data, const char *statement)
{
    struct repl *r = data;
    HistEvent event;
    history(r->history, &event, H_ENTER, statement);
}

static bool open_history(struct repl *r)
{
    r->history = history_init();
    if (r->history == NULL)
        return false;
    HistEvent event;
    history(r->history, &event, H_SETSIZE, HISTORY_SIZE);
    history(r->history, &event, H_SETUNIQUE, 1);
    if (r->history_path != NULL) {
        int why = history_read(r->history_path, HISTORY_SIZE, enter, r);
        if (why != 0)
            give_up_history(r, why);
    }
    return true;
}

/* True when the redactor has nothing to blank in the statement. */
static bool holds_no_secret(const struct buffer *statement)
{
    struct buffer shown;
    buffer_init(&shown, 2 * (size_t)MAX_STATEMENT);
    bool same = secret_redact(&shown, statement->data, statement->size) &&
                strcmp(buffer_text(&shown), buffer_text(statement)) == 0;
    buffer_wipe(&shown);
    return same;
}

/* Each statement is on disk before it runs: a session may be killed by it. */
static void remember(struct repl *r)
{
    HistEvent event;
    if (history(r->history, &event, H_ENTER, buffer_text(&r->statement)) <= 0)
        return; /* the same as the last one */
    if (r->history_path == NULL || !holds_no_secret(&r->statement))
        return;
    int why = history_add(r->history_path, buffer_text(&r->statement));
    if (why != 0)
        give_up_history(r, why);
}

/* The session ------------------------------------------------------------ */

static void start_statement(struct repl *r)
{
    buffer_wipe(&r->statement);
    r->prompt = first_prompt;
}

/* Adds a line that was read, without its newline. False: it does not fit. */
static bool add_line(struct repl *r, const char *line, size_t size)
{
    if (size > 0 && line[size - 1] == '\n')
        size--;
    return (r->statement.size == 0 || buffer_add_char(&r->statement, '\n')) &&
           buffer_add(&r->statement, line, size);
}

/* Runs the statement when it is whole; false when more lines are needed. */
static bool evaluate(struct repl *r)
{
    int status = evaluate_compile(r->L, buffer_text(&r->statement));
    if (evaluate_unfinished(r->L, status)) {
        lua_pop(r->L, 1);
        return false;
    }
    remember(r);
    if (status == LUA_OK)
        evaluate_run(r->L, columns_of_terminal());
    else
        state_report(r->L);
    return true;
}

/* To where the editor writes: the cursor is behind a prompt. */
static void end_line(struct repl *r)
{
    FILE *out = NULL;
    el_get(r->editor, EL_GETFP, 1, &out);
    fputc('\n', out);
    fflush(out);
}

static void session(struct repl *r)
{
    start_statement(r);
    for (;;) {
        int size = 0;
        r->cleared = false;
        output_flush();
        errno = 0;
        const char *line = el_gets(r->editor, &size);
        interrupt_clear();
        if (r->cleared) {
            start_statement(r);
        } else if (line == NULL && size < 0 && errno == EINTR) {
            end_line(r); /* another process sent a signal */
            start_statement(r);
        } else if (line == NULL || size <= 0) {
            end_line(r);
            if (r->statement.size == 0)
                return;
            start_statement(r); /* Ctrl-D gives up a statement, then the session */
        } else if (!add_line(r, line, (size_t)size)) {
            log_line(LOG_ERROR, "the statement is too long");
            start_statement(r);
        } else if (strspn(buffer_text(&r->statement), " \t\n") == r->statement.size) {
            start_statement(r);
        } else if (evaluate(r)) {
            start_statement(r);
        } else {
            r->prompt = next_prompt;
        }
    }
}

static void greet(bool simulated)
{
    fprintf(stderr, "kelp %s (%s): help tells what there is, Tab completes, Ctrl-D ends.\n",
            KELP_VERSION, LUA_RELEASE);
    if (simulated)
        fputs("Simulated: every target leads to an example on this machine; help lists them.\n",
              stderr);
}

struct state_result repl_run(lua_State *L, bool simulated)
{
    struct repl r = {.L = L};
    struct state_result result = {.ending = STATE_RETURNED, .code = 0};
    struct buffer path;
    greet(simulated);
    buffer_init(&path, MAX_PATH);
    if (history_path(&path))
        r.history_path = buffer_text(&path);
    buffer_init(&r.statement, MAX_STATEMENT);
    evaluate_open(L);
    if (open_history(&r) && open_editor(&r)) {
        session(&r);
    } else {
        log_line(LOG_ERROR, "the line editor cannot start: out of memory");
        result.ending = STATE_FAILED;
    }
    if (r.editor != NULL)
        el_end(r.editor);
    if (r.history != NULL)
        history_end(r.history);
    buffer_wipe(&r.statement);
    buffer_free(&path);
    return result;
}
