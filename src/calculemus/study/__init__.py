"""Studies: systems on problem sets, generated and graded apart, compared in pairs."""
