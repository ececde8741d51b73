"""Functions with side effects, by dialect, which a query may not call. Used by `query`.

A read-only transaction stops functions that write to tables. These act outside of it: on the session, on other
sessions, on the server's files or on other servers; or they execute SQL from a text, which cannot be checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effects:
    """Names of functions, in lower case."""

    refused: re.Pattern[str]
    """Names that are refused; matched whole."""
    harmless: re.Pattern[str] = re.compile("(?!)")
    """Exceptions to `refused`."""
    files: re.Pattern[str] = re.compile("(?!)")
    """Names that read files, which a connection may allow."""

    def forbids(self, name: str) -> bool:
        """Whether a query may not call a function."""
        name = name.lower()
        return bool(self.refused.fullmatch(name)) and not self.harmless.fullmatch(name)

    def reads_files(self, name: str) -> bool:
        """Whether a function reads files, and so needs a folder that the connection names."""
        return bool(self.files.fullmatch(name.lower()))


_POSTGRESQL = Effects(
    # Every pg_… function except those known to be harmless: each version of PostgreSQL adds some.
    refused=re.compile(
        r"pg_.*|binary_upgrade_.*|brin_(de)?summarize.*|gin_clean_pending_list"
        r"|set_config|nextval|setval|lo_.*|loread|lowrite"
        r"|(query|cursor)_to_xml.*|ts_stat|ts_rewrite|crosstab.*|connectby|xpath_table"
        r"|dblink.*|postgres_fdw_.*|http|http_.*|heap_force_.*|currtid2"
    ),
    harmless=re.compile(
        r"pg_(typeof|sleep|sleep_for|sleep_until|backend_pid|is_in_recovery|client_encoding|encoding_to_char"
        r"|char_to_encoding|column_size|column_compression|size_pretty|size_bytes|has_role|input_is_valid"
        r"|input_error_info|collation_for|conf_load_time|postmaster_start_time|timezone_.*|my_temp_schema"
        r"|is_other_temp_schema|visible_in_snapshot|snapshot_.*|current_snapshot|current_wal_.*|last_.*"
        r"|xact_.*|get_.*|table_is_visible|.*_is_visible|(table|relation|total_relation|indexes|database)_size"
        r"|sequence_last_value|sequence_parameters|options_to_table|identify_.*|describe_object"
        r"|partition_(root|tree|ancestors)|stat_get_.*|lsn_.*|wal_lsn_diff)"
    ),
)

_DUCKDB = Effects(
    refused=re.compile(
        r"query|query_table|json_execute_serialized_sql|nextval|getenv|(force_)?checkpoint|write_log"
        r"|(postgres|mysql|sqlite|mssql|odbc|iceberg|delta|ducklake)_.*|(arrow|pandas)_scan.*|python_map.*|st_read.*"
        r"|.*_attach|load_aws_credentials|http_.*|duckdb_secrets|which_secret|(enable|disable)_.*"
    ),
    files=re.compile(r"read_.*|parquet_.*|glob|sniff_csv"),
)

_SQLITE = Effects(refused=re.compile(r"load_extension|readfile|writefile|edit|fsdir|zipfile|fts3_tokenizer"))

_MYSQL = Effects(
    refused=re.compile(
        r"load_file|get_lock|release_lock|release_all_locks|nextval|setval|sys_exec|sys_eval|sys_set"
    )
)

_SQL_SERVER = Effects(refused=re.compile(r"openrowset|openquery|opendatasource"))

_UNKNOWN = Effects(refused=re.compile(r"nextval|setval"))

_BY_DIALECT = {
    "postgresql": _POSTGRESQL,
    "duckdb": _DUCKDB,
    "sqlite": _SQLITE,
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
    "mssql": _SQL_SERVER,
}


def effects(dialect: str) -> Effects:
    """The functions of a database, by the SQLAlchemy name of its dialect."""
    return _BY_DIALECT.get(dialect, _UNKNOWN)


VARYING = re.compile(
    r"random|random_normal|rand|randomblob|gen_random_uuid|uuid|uuidv4|uuidv7|newid|clock_timestamp|timeofday"
    r"|tablesample|sample"
)
"""Names that make the result of a query differ from run to run."""
