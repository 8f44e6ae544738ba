"""The rows of the table: what each is, what it was before the work on speed, and its bound."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

#: How far a value may be past its bound before it fails, by unit: times are noisy, counts are not.
MARGINS = {"x": 0.2, "s": 0.5, "ms": 0.3, "MB": 0.3, "": 0.0, "B": 0.02}


@dataclass(frozen=True)
class Line:
    """One line of the table, without its value."""

    what: str
    unit: str = "x"
    before: str = "-"
    bound: float | None = None
    #: Whether the bound is the least instead of the most.
    least: bool = False
    margin: float | None = None

    @property
    def allowed(self) -> float | None:
        """The value at which the bound fails, with the margin for noise."""
        if self.bound is None:
            return None
        margin = MARGINS[self.unit] if self.margin is None else self.margin
        return self.bound * (1 - margin if self.least else 1 + margin)


@dataclass
class Result:
    """One measured line."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""
    database: str = ""
    size: int = 0
    verdict: str = field(default="")

    def judge(self) -> Result:
        """Say how the value stands to its bound."""
        line = LINES[self.name]
        if line.bound is None or line.allowed is None:
            self.verdict = ""
        elif self._past(line.allowed, line.least):
            self.verdict = "PAST"
        else:
            self.verdict = "margin" if self._past(line.bound, line.least) else "ok"
        return self

    def _past(self, bound: float, least: bool) -> bool:
        return self.value < bound if least else self.value > bound

    def as_json(self) -> dict[str, Any]:
        """Return everything that is known, for the file."""
        line = LINES[self.name]
        return asdict(self) | {
            "what": line.what,
            "unit": line.unit,
            "before": line.before,
            "bound": line.bound,
        }


LINES = {
    "open": Line("open a link: both requests over the floor's one", before="4.1", bound=2.2),
    "open.queries": Line("  queries", "", "2", 2),
    "refuse": Line("refuse a forged key over the floor's unknown one", before="1.3", bound=1.0),
    "refuse.queries": Line("  queries", "", "0", 0),
    "invite": Line("invite one person, email in the process", before="3.8-4.9", bound=2.0),
    "invite.queries": Line("  queries", "", "13", 9),
    "accounts": Line("the same where the site has 1,000,000 accounts", before="87", bound=2.0),
    "register": Line("register with a key over plain redux simple", before="1.9", bound=1.3),
    "register.queries": Line("  more queries", "", "3", 3),
    "shared.counted": Line(
        "shared link, counted, 8 at a time: throughput over plain", "x", "0.86", 0.95, True, 0.05
    ),
    "shared.unlimited": Line(
        "shared link, unlimited, 8 at a time: throughput over plain",
        "x",
        "0.95",
        0.95,
        True,
        0.05,
    ),
    "cleanup": Line("clean up a tenth, over one raw DELETE of the same", before="5.3", bound=2.0),
    "cleanup.statements": Line("  statements", "", "1406", 250),
    "cleanup.marking": Line("  statements, where it only marks", "", "-", 250),
    "cleanup.longest": Line("  longest statement", "s", "0.45", 0.15),
    "cleanup.transaction": Line("  longest transaction", "s"),
    "cleanup.beside": Line("  registrations beside it over without", "x", "2.0", 1.2),
    "cleanup.memory": Line("  memory", "MB", "-", 10),
    "list": Line("list of 10,000, over the floor's two bulk_create", before="5.9-8.5", bound=3.0),
    "list.queries": Line("  queries", "", "28", 40),
    "list.memory": Line("  memory", "MB", "49", 20),
    "emails": Line("10,000 emails to locmem, over fixed bodies", before="43-67", bound=12.0),
    "emails.queries": Line("  queries for each", "", "3.1", 0.2),
    "smtp": Line("1,000 emails by SMTP, over one connection, fixed", before="6.6", bound=2.5),
    "smtp.connections": Line("  connections", "", "21", 2),
    "member": Line("a member's list, over the same at 1,000 rows", before="1.6", bound=1.2),
    "member.page300": Line("  page 300 of 10,000 own, over page 1", before="5", bound=1.5),
    "admin.invitations": Line("admin: invitations", "s", "0.7", 0.25),
    "admin.state": Line("  state filter, the slowest", "s", "6.3", 0.25),
    "admin.search": Line("  search, the slowest", "s", "6.7", 0.25),
    "admin.mails": Line("  emails", "s", "1.3", 0.25),
    "admin.ledger": Line("  ledger", "s", "0.9", 0.25),
    "sizes": Line("bytes of an invitation, its email and ledger entry", "B", "1470", 700),
    "sizes.floor": Line("  the floor's one table", "B", "380"),
    "starting": Line("django.setup() and URLconf, over redux alone", "ms", "112", 40),
    "starting.check": Line("  check, over redux alone", "ms", "113", 60),
    "starting.whole": Line("  whole manage.py check, over redux alone", "x", "1.9"),
    "allowed": Line("registration_allowed without an invitation: queries", "", "-", 0),
}


def shown(value: float | None, unit: str) -> str:
    """Return a value as the table shows it."""
    if value is None:
        return "-"
    if unit == "x":
        return f"{value:.2f} x"
    if unit == "s":
        return f"{value:.3f} s"
    text = f"{value:,.0f}" if value == round(value) or unit else f"{value:.2f}"
    return f"{text} {unit}".strip()


HEAD = f"{'':<20}{'':<60}{'now':>10}  {'half of the turns':<19}{'before':>9}{'bound':>10}  "


def as_text(result: Result) -> str:
    """Return one line of the table."""
    line = LINES[result.name]
    spread = ""
    if result.low is not None and result.high is not None:
        spread = f"{shown(result.low, line.unit)} - {shown(result.high, line.unit)}"
    sign = ">= " if line.least else "<= "
    bound = "" if line.bound is None else sign + shown(line.bound, line.unit)
    return (
        f"{result.name:<20}{line.what:<60}{shown(result.value, line.unit):>10}  {spread:<19}"
        f"{line.before:>9}{bound:>12}  {result.verdict:<6} {result.note}".rstrip()
    )
