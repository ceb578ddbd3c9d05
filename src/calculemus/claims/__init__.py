"""Claims, run: arms measured, effects with intervals, a verdict, a control, and what it rests on.

``run.run_claim`` runs one in a ``lab.StudyLab``; ``result`` writes it down, ``history`` reads what was
measured before, ``status`` says how far each method has come. The door imports nothing, so that a list of
methods is quick.
"""
