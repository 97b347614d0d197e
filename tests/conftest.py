"""What all tests share: shapes are checked at run time, and tests that did not run are counted aloud."""

import pytest
from hypothesis import settings
from jaxtyping import config, install_import_hook

# Before anything imports it: from here on every call of a model function checks the shapes in its signature.
install_import_hook("plenary.functional", "beartype.beartype")

# Deadlines test the machine, not the code; the same examples in every run keep a failure repeatable.
settings.register_profile("plenary", deadline=None, derandomize=True)
settings.load_profile("plenary")


@pytest.fixture
def as_users_run_it():
    """Switch the shape checks off, to see the error messages that users see."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


def pytest_terminal_summary(terminalreporter):
    """Say last, and loudly, how many tests did not run and what to install for them."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        reasons = sorted({str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped})
        terminalreporter.section(f"{len(skipped)} TESTS DID NOT RUN", red=True, bold=True)
        for reason in reasons:
            terminalreporter.line(reason, red=True)
