"""The tally of several test processes is their sum."""
from __future__ import annotations

import json
from collections import Counter

from tests.faults.tally import Tally


def test_what_another_process_counted_is_added() -> None:
    here, there = Tally(Counter(kill=2), acknowledged=10, lost=1, cases=1), Tally(Counter(kill=1, EIO=4), acknowledged=5, sent_again=3, cases=2)
    here.add(json.loads(json.dumps(there.told())))
    here.add({})
    assert here == Tally(Counter(kill=3, EIO=4), acknowledged=15, lost=1, sent_again=3, cases=3)
