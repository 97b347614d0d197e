"""Mistakes in the verdict: what is said of a box, whatever was looked at."""

from typing import Any

import torch
from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.catch_the_bug.testing import Test, never_infinite, wrong

_COMPLETE = Test()


def _always(_candidate: Any) -> bool:
    return True


def _never(_candidate: Any) -> bool:
    return False


def _is_right(candidate: Any) -> bool:
    return not _COMPLETE(candidate)


def _first_case_decides(candidate: Any) -> bool:
    for case in _COMPLETE.cases():
        return _COMPLETE.wrong_on(candidate, case)
    return False


def _all_cases_wrong(candidate: Any) -> bool:
    return all(_COMPLETE.wrong_on(candidate, case) for case in _COMPLETE.cases())


def _asserts(candidate: Any) -> bool:
    assert not _COMPLETE(candidate)
    return False


def _asserts_by_torch(candidate: Any) -> bool:
    for inputs, expected in _COMPLETE.cases():
        torch.testing.assert_close(candidate(*inputs), expected)
    return False


def _difference(candidate: Any) -> Any:
    inputs, expected = _COMPLETE.cases()[0]
    return float((candidate(*inputs)[0].float().sum() - expected[0].sum()).abs())


def _no_last_return(candidate: Any) -> Any:
    if _COMPLETE(candidate):
        return True
    return None  # as Python does for who leaves the last line out


def _close(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found, expected, atol=1e-5)  # which itself raises where shapes or dtypes differ


VERDICTS = (
    Misconception(
        id="bug-never-accuses",
        title="Your test calls every box right.",
        belief="A test that has never failed has not shown that anything is right, only that it has not "
        "looked. Had it been asked about a box that returns zeros, it would have said the same.",
        hint="Begin with one comparison against an attention that you trust, and one broken box that it "
        "has to find.",
        anchor="bug-what-a-test-is",
        section="A test has two ways to be wrong",
        wrong=wrong(_never),
    ),
    Misconception(
        id="bug-accuses-all",
        title="Your test calls every box wrong, the right ones too.",
        belief="Finding all is easy for a test that accuses all. If you did not mean it to, then what you "
        "measure against is off (say, NaN for a query that may attend to nothing, where zero is asked), "
        "or no rounding is allowed, or your own code raises and your except takes that for the box's "
        "fault.",
        hint="Run it on the attention that you measure against: of that it has to say False. For a "
        "moment, let exceptions through, and see whose they are.",
        anchor="bug-what-a-test-is",
        section="A test has two ways to be wrong",
        wrong=wrong(_always, Test(reference=never_infinite)),
    ),
    Misconception(
        id="bug-verdict-inverted",
        title="Your verdicts are the wrong way round: True means that the box is wrong.",
        belief="Most checks return True when all is well, as torch.allclose does. This one is named after "
        "what it finds: find_bug says True when there is a bug.",
        hint="Put a not where you return.",
        anchor="bug-what-a-test-is",
        section="A test has two ways to be wrong",
        wrong=wrong(_is_right),
    ),
    Misconception(
        id="bug-asserts",
        title="Your test raises where it finds something; asked for is True.",
        belief="In a test suite a failing assert is the verdict, and something else writes it down. Here "
        "your function is that something else: an exception leaves it without an answer.",
        hint="Catch what the comparison raises and return True, or compare without assert.",
        anchor="bug-exceptions",
        section="An exception is an answer too",
        wrong=wrong(_asserts, _asserts_by_torch),
    ),
    Misconception(
        id="bug-lets-box-raise",
        title="Your test breaks off when a box raises; a box that raises on good inputs is wrong.",
        belief="A crash looks like the test's failure, since it ends the test. It is the box's answer to "
        "a question that the contract allows, and a wrong one.",
        hint="Call the box inside try, and let an exception count as a bug.",
        anchor="bug-exceptions",
        section="An exception is an answer too",
        wrong=wrong(Test(catches=False), Test(agree=_close, catches=False)),
    ),
    Misconception(
        id="bug-no-last-return",
        title="Your test returns None where it finds nothing; asked for is False.",
        belief="None counts as false in an if, so it is easy to leave the last line out. Only a verdict "
        "is a verdict: a box that passed everything deserves an explicit False.",
        hint="End the function with the verdict for a box in which nothing was found.",
        anchor="bug-what-a-test-is",
        section="A test has two ways to be wrong",
        wrong=wrong(_no_last_return),
    ),
    Misconception(
        id="bug-returns-difference",
        title="Your test returns a number; asked for is True or False.",
        belief="How far a box is off is good to know, and leaves the decision to whoever reads it. The "
        "decision is the task: how far is too far?",
        hint="Compare the difference with a tolerance, and return the result of the comparison.",
        anchor="bug-tolerance",
        section="How near is near enough",
        wrong=wrong(_difference),
    ),
    Misconception(
        id="bug-one-case",
        title="Your test tries one ordinary case and no more: without a mask, in one dtype.",
        belief="Either there is only one, or a return inside the loop ends it at the first. A case that "
        "comes out right then acquits the box before the others had their say, and most mistakes are "
        "right where nothing is special.",
        hint="Make a list of cases. Inside the loop over it only an accusation may return; acquit after it.",
        anchor="bug-any-case",
        section="One bad case is enough",
        wrong=wrong(
            _first_case_decides,
            *(Test(front=f, dtypes=(torch.float32,), masks=("none",), stretches=(1.0,)) for f in ((3,), ())),
        ),
    ),
    Misconception(
        id="bug-all-cases",
        title="Your test accuses a box only if every case comes out wrong; one is enough.",
        belief="Most mistakes are right most of the time. A mask that is ignored does no harm where there "
        "is no mask. If a single right case can acquit, the easiest case decides.",
        hint="Between any and all, it is any for a bug and all for a clean record.",
        anchor="bug-any-case",
        section="One bad case is enough",
        wrong=wrong(_all_cases_wrong),
    ),
)
