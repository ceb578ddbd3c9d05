"""The longer statements of the store, in SQL."""

from calculemus.store.records import COST_COLUMNS, PROBLEM_COLUMNS, SOLUTION_COLUMNS

RUN = """
    SELECT run.key, run.name, run.spec, run.problems_name, problem_set.digest, problem_set.n, run.created,
        run.finished, run.n_answers
    FROM run JOIN problem_set ON problem_set.id = run.problem_set
"""

TALLY = """
    SELECT run.key, tally.grader, tally.outcome, tally.n FROM tally JOIN run ON run.id = tally.run
    WHERE run.id IN (SELECT id FROM run ORDER BY id DESC LIMIT ?)
"""

RUN_DAYS = """
    SELECT run.problems_name, problem_set.digest, substr(run.created, 1, 10) AS day, max(run.created),
        count(*), count(DISTINCT run.name), sum(run.n_answers)
    FROM run JOIN problem_set ON problem_set.id = run.problem_set
    GROUP BY day, problem_set.digest, run.problems_name
    ORDER BY day DESC, problem_set.digest, run.problems_name
"""

ADD_RUN = """
    INSERT INTO run (key, name, spec, problem_set, problems_name, created) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET name = excluded.name
"""

ADD_PROBLEM = f"""
    INSERT INTO problem (problem_set, position, {", ".join(PROBLEM_COLUMNS)})
    VALUES (?, ?, {", ".join("?" * len(PROBLEM_COLUMNS))})
"""

PROBLEMS = f"""
    SELECT {", ".join(PROBLEM_COLUMNS)} FROM problem
    WHERE problem_set = ? AND position >= ? AND position < ? ORDER BY position
"""

POSITION = "SELECT position FROM problem WHERE problem_set = ? AND problem_id = ?"

# Not INSERT OR IGNORE, which would also leave out rows that break another rule without a word.
ADD_ANSWER = f"""
    INSERT INTO answer (run, position, sample, {", ".join(SOLUTION_COLUMNS)})
    VALUES (?, ?, ?, {", ".join("?" * len(SOLUTION_COLUMNS))}) ON CONFLICT (run, position, sample) DO NOTHING
"""

ADD_VERDICT = """
    INSERT INTO verdict (run, grader, position, sample, outcome, extracted, how) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (run, grader, position, sample) DO NOTHING
"""

# CROSS JOIN keeps the order of the tables as written: the page comes from the index on the answers.
_PAGE = f"""
    SELECT answer.position, problem.problem_id, answer.sample,
        verdict.outcome, verdict.extracted, verdict.how,
        {", ".join(f"answer.{column}" for column in SOLUTION_COLUMNS)}
    FROM answer
    CROSS JOIN problem ON problem.problem_set = ? AND problem.position = answer.position
    LEFT JOIN verdict ON verdict.run = answer.run AND verdict.grader = ?
        AND verdict.position = answer.position AND verdict.sample = answer.sample
    WHERE answer.run = ? AND (answer.position, answer.sample) > (?, ?) {{condition}}
    ORDER BY answer.position, answer.sample LIMIT ?
"""

PAGE = _PAGE.format(condition="")
UNGRADED_PAGE = _PAGE.format(condition="AND verdict.outcome IS NULL")

PLACE = "SELECT position, sample FROM answer WHERE run = ? ORDER BY position, sample LIMIT 1 OFFSET ?"

DONE = """
    SELECT problem.problem_id, answer.sample FROM answer
    CROSS JOIN problem ON problem.problem_set = ? AND problem.position = answer.position
    WHERE answer.run = ?
"""

OUTCOMES = """
    SELECT problem.problem_id, verdict.sample, verdict.outcome FROM verdict
    CROSS JOIN problem ON problem.problem_set = ? AND problem.position = verdict.position
    WHERE verdict.run = ? AND verdict.grader = ? ORDER BY verdict.position, verdict.sample
"""

MEAN_COSTS = f"""
    SELECT {", ".join(f"CASE WHEN count({c}) = count(*) THEN avg({c}) END" for c in COST_COLUMNS)}
    FROM answer WHERE run = ?
"""

# What two runs have in common: the same problem id and sample, whatever the sets they stand in.
_SHARED = """
    FROM answer AS a
    CROSS JOIN problem AS pa ON pa.problem_set = :set_a AND pa.position = a.position
    CROSS JOIN problem AS pb ON pb.problem_set = :set_b AND pb.problem_id = pa.problem_id
    CROSS JOIN answer AS b ON b.run = :b AND b.position = pb.position AND b.sample = a.sample
"""

SHARED_ANSWERS = f"""
    SELECT count(*), total(a.answer IS NOT b.answer) {_SHARED} WHERE a.run = :a
"""

CHANGED_VERDICTS = f"""
    SELECT pa.problem_id, a.sample, va.outcome, va.extracted, va.how, vb.outcome, vb.extracted, vb.how
    {_SHARED}
    CROSS JOIN verdict AS va ON va.run = :a AND va.grader = :grader
        AND va.position = a.position AND va.sample = a.sample
    CROSS JOIN verdict AS vb ON vb.run = :b AND vb.grader = :grader
        AND vb.position = b.position AND vb.sample = b.sample
    WHERE a.run = :a AND (va.outcome IS NOT vb.outcome OR va.extracted IS NOT vb.extracted)
    ORDER BY a.position, a.sample
"""
