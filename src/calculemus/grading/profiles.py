"""Our own grader under several extraction rules, because published figures depend on them."""

from calculemus.grading.cascade import Cascade


def default() -> Cascade:
    """Return the grader with every extraction rule."""
    return Cascade()


def boxed() -> Cascade:
    r"""Return the grader that reads ``\boxed{}`` alone."""
    return Cascade("boxed", ("boxed",))


def gsm8k_flexible() -> Cascade:
    """Return the grader that reads the last number alone."""
    return Cascade("gsm8k_flexible", ("last_number",))
