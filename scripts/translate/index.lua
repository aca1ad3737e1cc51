-- The translation tables, in the order in which they are tried: the first whose class and `when`
-- match is taken. A new table is a new file in this folder and a line here.
return {
  "mongodb_source",
  "mongodb_sink",
  "debezium_postgres",
  "debezium_mysql",
  "snowflake_sink",
}
