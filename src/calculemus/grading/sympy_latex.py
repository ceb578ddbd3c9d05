"""SymPy's own LaTeX grammar, with whatever ANTLR runtime is installed.

``sympy.parsing.latex.parse_latex`` refuses any runtime but 4.11, while math-verify comes with 4.9 to 4.13.
The generated parser runs alike on all runtimes from 4.10 on, which share one format; only that check is
in the way. The public graders that call ``parse_latex`` can be reproduced this way without pinning.
"""

from importlib.metadata import version
from typing import Any


def parse_latex(text: str) -> Any:
    """Return what ``sympy.parsing.latex.parse_latex`` returns, and raise what it raises.

    Like the original it reads the longest beginning that makes sense and ignores the rest: ``2,3`` is 2.
    It prints the two version numbers when they differ, so call it in a worker, where nobody listens.
    """
    runtime = tuple(int(part) for part in version("antlr4-python3-runtime").split(".")[:2])
    if runtime < (4, 10):
        raise ImportError(
            f"reading LaTeX with SymPy's grammar: antlr4-python3-runtime {runtime} is installed; 4.10 or "
            "later is needed. Install it: pip install 'antlr4-python3-runtime>=4.11'"
        )
    import antlr4
    from sympy.parsing.latex import _parse_latex_antlr as antlr

    source = text.strip()
    listener = antlr.MathErrorListener(source)
    lexer = antlr.LaTeXLexer(antlr4.InputStream(source))
    lexer.removeErrorListeners()
    lexer.addErrorListener(listener)
    parser = antlr.LaTeXParser(antlr4.CommonTokenStream(lexer))
    parser.removeErrorListeners()
    parser.addErrorListener(listener)
    return antlr.convert_relation(parser.math().relation())
