/* columns FILE…: every column of every table of SQLite files, a line for each: TABLE.COLUMN
 * and the bytes as they are. What is stored is read by SQLite, so that a long text is whole, which in the
 * file may be in pieces. */
#include <sqlite3.h>

#include <stdio.h>
#include <stdlib.h>

static void fail(sqlite3 *db, const char *path)
{
    fprintf(stderr, "columns: %s: %s\n", path, sqlite3_errmsg(db));
    exit(2);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *path, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail(db, path);
    return statement;
}

static void print_table(sqlite3 *db, const char *path, const char *table)
{
    char *sql = sqlite3_mprintf("SELECT * FROM \"%w\"", table);
    sqlite3_stmt *rows = prepare(db, path, sql);
    int result;
    while ((result = sqlite3_step(rows)) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(rows); i++) {
            const void *bytes = sqlite3_column_blob(rows, i);
            printf("%s.%s ", table, sqlite3_column_name(rows, i));
            if (bytes != NULL)
                fwrite(bytes, 1, (size_t)sqlite3_column_bytes(rows, i), stdout);
            putchar('\n');
        }
    }
    if (result != SQLITE_DONE)
        fail(db, path);
    sqlite3_finalize(rows);
    sqlite3_free(sql);
}

static void print_file(const char *path)
{
    sqlite3 *db;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        fail(db, path);
    sqlite3_stmt *tables = prepare(db, path, "SELECT name FROM sqlite_master WHERE type = 'table'");
    int result;
    while ((result = sqlite3_step(tables)) == SQLITE_ROW)
        print_table(db, path, (const char *)sqlite3_column_text(tables, 0));
    if (result != SQLITE_DONE)
        fail(db, path);
    sqlite3_finalize(tables);
    sqlite3_close(db);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        print_file(argv[i]);
    return argc > 1 ? 0 : 2;
}
