"""A recorder of the reports of a run, which can end the run."""

from __future__ import annotations


class StopRun(Exception):
    """Raised by a report to end a run."""


class ReportRecorder:
    """Records reports and draws every preview; raises `StopRun` at one of the reports."""

    def __init__(self, stop_at=None):
        self.reports, self.notes, self.previews, self.parts = [], {}, [], []
        self._stop_at = stop_at

    def __call__(self, stage, done=0, total=None, *, preview=None, notes=None, part=None):
        self.reports.append((stage.value, done, total))
        self.notes |= notes or {}
        if part is not None and part not in self.parts[-1:]:
            self.parts.append(part)
        if preview is not None:
            self.previews.append(preview())
        if self._stop_at == (stage.value, done):
            raise StopRun

    def of(self, stage):
        return [(done, total) for name, done, total in self.reports if name == stage]
