"""What comes back from a candidate: plain arrays, or the reason why there are none."""

import io
import json
from dataclasses import asdict, dataclass, field

import numpy as np


@dataclass(frozen=True)
class Fault:
    """Why a probe has no numbers.

    ``kind`` is one of: raised, unwritten, timeout, none, type, structure, size, weights, no-gradient. ``message``
    goes on where "Your function" leaves off. ``exception`` is what tells two faults of a kind apart: the name of
    what was raised, or which parameters are missing.
    """

    kind: str
    message: str
    exception: str = ""

    @property
    def deliberate(self) -> bool:
        """Whether a size was refused on purpose: a ValueError, or an assertion. torch's own errors are others."""
        return self.kind == "raised" and self.exception in ("ValueError", "AssertionError")

    @property
    def brief(self) -> str:
        """Say in two words why there are no numbers."""
        return {
            "raised": f"raised {self.exception}",
            "unwritten": "not written yet",
            "timeout": "timed out",
            "none": "returned None",
            "weights": "other parameters than asked for",
            "no-gradient": "no gradient",
        }.get(self.kind, "returned something else")


@dataclass(frozen=True)
class Answer:
    """A candidate's answer to one probe: arrays by output name, or a fault.

    ``notes`` is for what an exercise's ``derive`` wants to tell its laws in words; it is not compared, nor sent.
    """

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    dtypes: dict[str, str] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    fault: Fault | None = None
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answers:
    """A candidate's answers by probe, and the beginning of what it printed."""

    by_probe: dict[str, Answer]
    printed: str = ""

    def __getitem__(self, probe: str) -> Answer:
        """Return the answer to a probe; one that is missing counts as raised."""
        return self.by_probe.get(probe, Answer(fault=Fault("raised", "gave no answer to this probe.")))

    def to_bytes(self) -> bytes:
        """Pack as an .npz of plain arrays beside a JSON text; no pickle on either side."""
        arrays: dict[str, np.ndarray] = {}
        about = {"printed": self.printed, "probes": {}}
        for probe, answer in self.by_probe.items():
            arrays.update({f"{probe}/{name}": array for name, array in answer.arrays.items()})
            about["probes"][probe] = {
                "outputs": list(answer.arrays),
                "dtypes": answer.dtypes,
                "changed": list(answer.changed),
                "fault": asdict(answer.fault) if answer.fault else None,
            }
        text = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{"about.json": text}, **arrays)
        return buffer.getvalue()

    @staticmethod
    def from_bytes(data: bytes) -> "Answers":
        """Unpack what ``to_bytes`` packed.

        Raises:
            ValueError: the bytes are not such a package.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                about = json.loads(archive["about.json"].tobytes())
                return Answers(
                    {
                        probe: Answer(
                            {name: archive[f"{probe}/{name}"] for name in kept["outputs"]},
                            dict(kept["dtypes"]),
                            tuple(kept["changed"]),
                            Fault(**kept["fault"]) if kept["fault"] else None,
                        )
                        for probe, kept in about["probes"].items()
                    },
                    about["printed"],
                )
        except Exception as error:
            raise ValueError(f"these bytes are not packed answers: {error}") from error
