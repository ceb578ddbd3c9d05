"""Statements for pages, in SQL. Places are chosen on an index first, and only these rows are then read."""

from calculemus.store.queries import RUN
from calculemus.store.records import COST_COLUMNS

QUESTION, TEXT = 200, 300
"""Characters of a question, and of another text, in a list."""

RUNS_OF_IDS = f"{RUN.replace('SELECT', 'SELECT run.id,', 1)} WHERE run.id IN (SELECT value FROM json_each(?))"

METAS = "SELECT problem_id, meta FROM problem WHERE problem_set = ? ORDER BY position"

HAS_WORD = """
    (name LIKE ? ESCAPE '\\' OR problems_name LIKE ? ESCAPE '\\' OR spec LIKE ? ESCAPE '\\'
        OR key LIKE ? ESCAPE '\\')
"""

IDS_OF_KEYS = "SELECT key, id FROM run WHERE key IN (SELECT value FROM json_each(?))"

TALLIES_OF_IDS = """
    SELECT run, grader, outcome, n FROM tally WHERE run IN (SELECT value FROM json_each(?))
    ORDER BY run, grader, outcome
"""

NEWEST_OF_SETS = "SELECT max(id) FROM run GROUP BY problem_set ORDER BY max(id) DESC LIMIT ?"

_LINES = f"""
    SELECT chosen.position, problem.problem_id, chosen.sample, substr(problem.question, 1, {QUESTION}),
        substr(problem.answer, 1, {TEXT}), substr(answer.answer, 1, {TEXT}),
        substr(answer.failure, 1, {TEXT}), verdict.outcome, substr(verdict.extracted, 1, {TEXT})
    FROM ({{chosen}}) AS chosen
    CROSS JOIN answer ON answer.run = ? AND answer.position = chosen.position
        AND answer.sample = chosen.sample
    CROSS JOIN problem ON problem.problem_set = ? AND problem.position = chosen.position
    LEFT JOIN verdict ON verdict.run = ? AND verdict.grader = ?
        AND verdict.position = chosen.position AND verdict.sample = chosen.sample
    ORDER BY chosen.position, chosen.sample
"""

LINES = _LINES.format(
    chosen="SELECT position, sample FROM answer WHERE run = ? ORDER BY position, sample LIMIT ? OFFSET ?"
)
LINES_OF_OUTCOME = _LINES.format(
    chosen="""SELECT position, sample FROM verdict WHERE run = ? AND grader = ? AND outcome = ?
        ORDER BY position, sample LIMIT ? OFFSET ?"""
)

PROBLEM_LINES = f"""
    SELECT position, problem_id, substr(question, 1, {QUESTION}) FROM problem
    WHERE problem_set = ? AND position IN (SELECT value FROM json_each(?)) ORDER BY position
"""

SAMPLES = "SELECT sample FROM answer WHERE run = ? AND position = ? ORDER BY sample LIMIT ?"

VERDICTS_AT = """
    SELECT sample, outcome, extracted, how FROM verdict WHERE run = ? AND grader = ? AND position = ?
    ORDER BY sample
"""

OUTCOME_COUNTS = """
    SELECT position, outcome, count(*) FROM verdict WHERE run = ? AND grader = ? GROUP BY position, outcome
"""

MEAN_COSTS_AT = f"""
    SELECT {", ".join(f"CASE WHEN count({c}) = count(*) THEN avg({c}) END" for c in COST_COLUMNS)}
    FROM answer WHERE run = ? AND position IN (SELECT value FROM json_each(?))
"""

FAILURES = """
    SELECT problem.problem_id, answer.failure FROM answer
    CROSS JOIN problem ON problem.problem_set = ? AND problem.position = answer.position
    WHERE answer.run = ? AND answer.failure IS NOT NULL ORDER BY answer.position, answer.sample
"""
