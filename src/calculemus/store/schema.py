"""The tables of a store.

A problem set is stored once, under its digest, and shared by all runs on it. Answers and verdicts name
their problem by its position, so that one index gives pages in the order of the set. Triggers keep the
counts that lists of runs show: a list of ten thousand runs then reads no answers.
"""

APPLICATION_ID = 0x43414C43
"""Marks the file as ours, in SQLite's header; the letters CALC."""

SCHEMA_VERSION = 1
"""Raised with every change of the tables below."""

STATEMENTS = (
    """
    CREATE TABLE problem_set (
        id INTEGER PRIMARY KEY,
        digest TEXT NOT NULL UNIQUE,
        source TEXT NOT NULL,
        n INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE problem (
        problem_set INTEGER NOT NULL REFERENCES problem_set (id),
        position INTEGER NOT NULL,
        problem_id TEXT NOT NULL,
        question TEXT NOT NULL,
        answer TEXT NOT NULL,
        solution TEXT,
        program TEXT,
        meta TEXT NOT NULL,
        UNIQUE (problem_set, position),
        UNIQUE (problem_set, problem_id)
    )
    """,
    """
    CREATE TABLE run (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        spec TEXT NOT NULL,
        problem_set INTEGER NOT NULL REFERENCES problem_set (id),
        problems_name TEXT NOT NULL,
        created TEXT NOT NULL,
        finished INTEGER NOT NULL DEFAULT 0,
        n_answers INTEGER NOT NULL DEFAULT 0
    )
    """,
    "CREATE INDEX run_by_name ON run (name, id)",
    # The costs have no declared type: a whole number stays one, a float too.
    """
    CREATE TABLE answer (
        run INTEGER NOT NULL REFERENCES run (id),
        position INTEGER NOT NULL,
        sample INTEGER NOT NULL,
        truncated INTEGER NOT NULL,
        tokens_in, tokens_cached, tokens_out, tokens_discarded, flops, seconds_engine, seconds_queue,
        seconds_sandbox, peak_bytes, bytes_read, bytes_written,
        answer TEXT,
        candidates TEXT,
        trace TEXT,
        failure TEXT,
        UNIQUE (run, position, sample)
    )
    """,
    """
    CREATE TABLE verdict (
        run INTEGER NOT NULL,
        grader TEXT NOT NULL,
        position INTEGER NOT NULL,
        sample INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        extracted TEXT,
        how TEXT NOT NULL,
        PRIMARY KEY (run, grader, position, sample),
        FOREIGN KEY (run, position, sample) REFERENCES answer (run, position, sample)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE tally (
        run INTEGER NOT NULL REFERENCES run (id),
        grader TEXT NOT NULL,
        outcome TEXT NOT NULL,
        n INTEGER NOT NULL,
        PRIMARY KEY (run, grader, outcome)
    ) WITHOUT ROWID
    """,
    """
    CREATE TRIGGER count_answer AFTER INSERT ON answer BEGIN
        UPDATE run SET n_answers = n_answers + 1 WHERE id = new.run;
    END
    """,
    """
    CREATE TRIGGER count_verdict AFTER INSERT ON verdict BEGIN
        INSERT INTO tally VALUES (new.run, new.grader, new.outcome, 1)
            ON CONFLICT DO UPDATE SET n = n + 1;
    END
    """,
)

CLAIMS = """
    CREATE TABLE IF NOT EXISTS claim (
        id INTEGER PRIMARY KEY,
        method TEXT NOT NULL,
        result TEXT NOT NULL
    )
"""
"""Made when the first claim is stored: stores without it are of the same version."""
