"""Statements that leak and their clean twins: what each has to be judged, however its tables and columns are called.

V: a row is read that was not known before the reference time. P: the statement shows that none is. S: it points to a leak without being certain.
U: what would decide it is not recorded. Names of tables and columns are replaced by the tests (see `rename`).
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

V, P, S, U = "violation", "proven", "suspect", "unknown"
REFERENCES: Final = ("2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z")
# table: (columns, when its rows are known, event-time column, known as SQL, the value in it)
TABLES: Final[Mapping[str, tuple[str, str | None, str | None, str | None, str]]] = {
    "spine": ("id bigint, k varchar, ref timestamp, known timestamp, late bigint, distance bigint", "column:known", "ref", "known", "late"),
    "events": ("id bigint, k varchar, seen timestamp, loaded timestamp, temp bigint", "column:loaded", "seen", "loaded", "temp"),
    "obs": ("id bigint, k varchar, seen timestamp, temp bigint", "eventTime+PT0S", "seen", "seen", "temp"),
    "slow": ("k varchar, seen timestamp, temp bigint", "eventTime+PT1H", "seen", "seen + interval 1 hour", "temp"),
    "daily": ("k varchar, on_day date, temp bigint", "eventTime+P1D", "on_day", "on_day + interval 1 day", "temp"),
    "plain": ("k varchar, seen timestamp, temp bigint", None, "seen", None, "temp"),
    "prices": ("k varchar, valid_from timestamp, valid_to timestamp, price bigint", "column:valid_from", "valid_from", "valid_from", "price"),
    "dim": ("k varchar, seats bigint", None, None, None, "seats"),
    "dim2": ("k varchar, seats bigint", None, None, None, "seats"),
}
COLUMN_KNOWLEDGE: Final = {"spine": {"id": "ref", "k": "ref", "distance": "ref"}}
COMMITTED: Final = {"dim": "2025-12-01T00:00:00Z"}  # before the first reference time; all others afterwards

JOINED: Final = "select s.id, s.ref, sum(e.temp) as x from spine s left join {table} e on e.k = s.k and {condition} group by s.id, s.ref"
EARLIER: Final = "select a.id, a.ref, avg(b.late) as x from spine a left join spine b on b.k = a.k and {condition} group by a.id, a.ref"
FRAMED: Final = "select s.id, s.ref, m.m as x from spine s asof left join (select k, seen, {window} as m from obs) m on m.k = s.k and s.ref > m.seen"

KEPT: Final = "select s.id, s.ref, e.temp as x from spine s left join ({rows}) e on e.k = s.k and e.loaded < s.ref"

Conditions = Mapping[str, tuple[str, str]]

# conditions between events (known at `loaded`) and the reference time
CONDITIONS: Final[Conditions] = {
    "plain": (P, "e.loaded < s.ref"),
    "none": (V, "true"),
    "lte": (V, "e.loaded <= s.ref"),
    "reversed": (P, "s.ref > e.loaded"),
    "reversed lte": (V, "s.ref >= e.loaded"),
    "ref<t": (V, "s.ref < e.loaded"),
    "wrong col": (V, "e.seen < s.ref"),
    "both": (P, "e.seen < s.ref and e.loaded < s.ref"),
    "between": (V, "e.loaded between s.ref - interval 7 day and s.ref"),
    "between clean": (P, "e.loaded between s.ref - interval 7 day and s.ref - interval 1 second"),
    "not >=": (P, "not (e.loaded >= s.ref)"),
    "not ref <=": (P, "not (s.ref <= e.loaded)"),
    "not ref <": (V, "not (s.ref < e.loaded)"),
    "not >": (V, "not (e.loaded > s.ref)"),
    "not between": (V, "not e.loaded between s.ref and s.ref + interval 100 day"),
    "or": (V, "(e.loaded < s.ref or e.temp > 3)"),
    "or both bound": (P, "(e.loaded < s.ref - interval 1 day or e.loaded < s.ref)"),
    "or wrong": (V, "(e.loaded < s.ref or e.seen < s.ref)"),
    "not or": (P, "not (e.loaded >= s.ref or e.temp > 5)"),
    "case cond": (P, "case when e.loaded < s.ref then true else false end"),
    "label time": (V, "e.loaded < s.known"),
    "plus": (V, "e.loaded < s.ref + interval 1 hour"),
    "minus": (P, "e.loaded <= s.ref - interval 1 day"),
    "left minus": (V, "e.loaded - interval 1 hour < s.ref"),
    "left plus": (P, "e.loaded + interval 1 hour <= s.ref"),
    "diff": (P, "s.ref - e.loaded > interval 0 second"),
    "diff lte": (V, "s.ref - e.loaded >= interval 0 second"),
    "diff hour": (P, "s.ref - e.loaded >= interval 1 hour"),
    "diff rev": (P, "e.loaded - s.ref < interval 0 second"),
    "epoch": (P, "epoch(e.loaded) < epoch(s.ref)"),
    "epoch leak": (V, "epoch(e.loaded) < epoch(s.ref) + 3600"),
    "datediff": (P, "date_diff('second', e.loaded, s.ref) > 0"),
    "datediff hours": (P, "date_diff('hour', e.loaded, s.ref) > 0"),
    "datediff leak": (V, "date_diff('hour', e.loaded, s.ref) >= 0"),
    "datediff month": (P, "date_diff('month', e.loaded, s.ref) >= 1"),
    "datediff month leak": (V, "date_diff('month', e.loaded, s.ref) >= 0"),
    "datediff day": (P, "date_diff('day', e.loaded, s.ref) between 1 and 7"),
    "datediff day leak": (V, "date_diff('day', e.loaded, s.ref) between 0 and 7"),
    "trunc ref": (P, "e.loaded < date_trunc('day', s.ref)"),
    "trunc ref lte": (V, "e.loaded <= date_trunc('day', s.ref)"),
    "trunc row": (V, "date_trunc('day', e.loaded) < s.ref"),
    "trunc both <": (P, "date_trunc('day', e.loaded) < date_trunc('day', s.ref)"),
    "trunc both <=": (V, "date_trunc('day', e.loaded) <= date_trunc('day', s.ref)"),
    "trunc row minus": (P, "date_trunc('day', e.loaded) <= s.ref - interval 1 day"),
    "trunc row plus": (P, "date_trunc('day', e.loaded) + interval 1 day <= s.ref"),
    "trunc mixed": (P, "date_trunc('hour', e.loaded) < date_trunc('day', s.ref)"),
    "trunc mixed leak": (V, "date_trunc('day', e.loaded) < date_trunc('hour', s.ref)"),
    "cast both": (P, "e.loaded::date < s.ref::date"),
    "cast both lte": (V, "e.loaded::date <= s.ref::date"),
    "cast eq": (V, "e.loaded::date = s.ref::date"),
    "cast eq yesterday": (P, "e.loaded::date = s.ref::date - 1"),
    "cast eq yesterday interval": (P, "e.loaded::date = s.ref::date - interval 1 day"),
    "cast row": (V, "e.loaded::date < s.ref"),
    "cast ref": (P, "e.loaded < s.ref::date"),
    "eq": (V, "e.loaded = s.ref"),
    "cast ts": (P, "e.loaded::timestamp < cast(s.ref as timestamp)"),
    "to tz": (P, "e.loaded at time zone 'UTC' < s.ref at time zone 'UTC'"),
    "greatest": (P, "greatest(e.seen, e.loaded) < s.ref"),
    "least": (V, "least(e.seen, e.loaded) < s.ref"),
    "least ref": (P, "e.loaded < least(s.ref, s.known)"),
    "greatest ref": (V, "e.loaded < greatest(s.ref, s.known)"),
    "coalesce": (S, "coalesce(e.loaded, e.seen) < s.ref"),
    "coalesce wrong": (V, "coalesce(e.seen, e.loaded) < s.ref"),
    "coalesce far": (P, "coalesce(e.loaded, timestamp '2999-01-01') < s.ref"),
    "coalesce near": (S, "coalesce(e.loaded, timestamp '1999-01-01') < s.ref"),
    "is null or": (S, "(e.loaded is null or e.loaded < s.ref)"),
    "extract": (S, "year(e.loaded) < year(s.ref)"),
    "month": (S, "month(e.loaded) < month(s.ref)"),
    "strftime": (S, "strftime(e.loaded, '%Y-%m-%d %H:%M:%S') < strftime(s.ref, '%Y-%m-%d %H:%M:%S')"),
}
# on what is known when it happens
MOMENTS: Final[Conditions] = {
    "obs": (P, "e.seen < s.ref"),
    "obs lte": (V, "e.seen <= s.ref"),
    "obs none": (V, "true"),
}
# on what is known an hour later
DELAYED: Final[Conditions] = {
    "slow": (V, "e.seen < s.ref"),
    "slow ok": (P, "e.seen < s.ref - interval 1 hour"),
    "slow left": (P, "e.seen + interval 1 hour < s.ref"),
    "slow 59": (V, "e.seen + interval 59 minute < s.ref"),
    "slow trunc": (P, "e.seen < date_trunc('hour', s.ref) - interval 1 hour"),
    "slow 90min": (P, "e.seen + interval '90 minutes' < s.ref"),
    "slow 1day": (P, "e.seen <= s.ref - interval '1 day'"),
    "slow iv month": (P, "e.seen < s.ref - interval '1 month'"),
    "slow compound": (P, "e.seen < s.ref - interval '1 day 2 hours'"),
}
# on what a day's file says, known with the end of the day
DAILY: Final[Conditions] = {
    "daily": (V, "e.on_day < s.ref::date"),
    "daily ok": (P, "e.on_day < s.ref::date - 1"),
    "daily eq": (V, "e.on_day = s.ref::date"),
    "daily lte": (V, "e.on_day <= s.ref::date"),
    "daily eq ok": (P, "e.on_day = s.ref::date - 2"),
    "daily +2": (P, "e.on_day + 2 <= s.ref::date"),
    "daily interval": (P, "e.on_day + interval 1 day < s.ref"),
}
# on outcomes of the other rows that ask
OWN: Final[Conditions] = {
    "self": (P, "b.known < a.ref"),
    "self ref": (V, "b.ref < a.ref"),
    "self lte": (V, "b.known <= a.ref"),
    "self none": (V, "b.id <> a.id"),
    "self swapped": (V, "a.known < b.ref"),
}
# windows over what is joined as of the reference time
FRAMES: Final[Conditions] = {
    "w centred": (V, "avg(temp) over (partition by k order by seen rows between 2 preceding and 2 following)"),
    "w trailing": (P, "avg(temp) over (partition by k order by seen rows between 2 preceding and current row)"),
    "w range trailing": (P, "avg(temp) over (partition by k order by seen range between interval 3 hour preceding and current row)"),
    "w range following": (V, "avg(temp) over (partition by k order by seen range between interval 3 hour preceding and interval 1 hour following)"),
    "w unbounded following": (V, "avg(temp) over (partition by k order by seen rows between unbounded preceding and unbounded following)"),
    "w default": (P, "avg(temp) over (partition by k order by seen)"),
    "w no order": (V, "avg(temp) over (partition by k)"),
    "w desc": (V, "avg(temp) over (partition by k order by seen desc)"),
    "w desc following": (P, "avg(temp) over (partition by k order by seen desc rows between current row and 3 following)"),
    "w lead": (V, "lead(temp) over (partition by k order by seen)"),
    "w lag": (P, "lag(temp) over (partition by k order by seen)"),
    "w lead desc": (P, "lead(temp) over (partition by k order by seen desc)"),
    "w lag -1": (V, "lag(temp, -1) over (partition by k order by seen)"),
    "w last_value": (V, "last_value(temp) over (partition by k order by seen rows between unbounded preceding and unbounded following)"),
    "w first_value": (P, "first_value(temp) over (partition by k order by seen)"),
    "w ntile": (V, "ntile(4) over (order by temp)"),
    "w rank value": (V, "rank() over (partition by k order by temp)"),
    "w groups": (V, "avg(temp) over (partition by k order by seen groups between 2 preceding and 1 following)"),
}
# whole statements
STATEMENTS: Final[Conditions] = {
    "mean until a day before all": (P, "select s.id, s.ref, g.m as x from spine s cross join "
                                       "(select avg(temp) as m from events where loaded < timestamp '2025-12-31') g"),
    "mean until a day in between": (V, "select s.id, s.ref, g.m as x from spine s cross join "
                                       "(select avg(temp) as m from events where loaded < timestamp '2026-01-15') g"),
    "mean until the first day": (V, "select s.id, s.ref, g.m as x from spine s cross join (select avg(temp) as m from events where loaded <= '2026-01-01') g"),
    "mean until before the first day": (P, "select s.id, s.ref, g.m as x from spine s cross join "
                                           "(select avg(temp) as m from events where loaded::date < date '2026-01-01') g"),
    "mean until a day by another time": (V, "select s.id, s.ref, g.m as x from spine s cross join "
                                            "(select avg(temp) as m from events where seen < timestamp '2025-12-31') g"),
    "mean since a day": (V, "select s.id, s.ref, g.m as x from spine s cross join (select avg(temp) as m from events where loaded > '2025-12-31') g"),
    "self alias swap": (P, "select b.id, b.ref, avg(a.late) as x from spine b left join spine a on a.k = b.k and a.known < b.ref group by b.id, b.ref"),
    "self alias swap leak": (V, "select b.id, b.ref, avg(a.late) as x from spine b left join spine a on a.k = b.k and b.known < a.ref group by b.id, "
                                "b.ref"),
    "w following": (V, "select id, ref, sum(late) over (partition by k order by ref rows between 3 preceding and 1 following) as x from spine"),
    "w range following covered": (P, "select s.id, s.ref, m.m as x from spine s asof left join (select k, seen, avg(temp) over (partition by k order by"
                                     " seen range between interval 3 hour preceding and interval 1 hour following) as m from obs) m on m.k = s.k and "
                                     "s.ref - interval 1 hour > m.seen"),
    "w named": (V, "select s.id, s.ref, m.m as x from spine s asof left join (select k, seen, avg(temp) over w as m from obs window w as (partition by "
                   "k order by seen rows between 2 preceding and 1 following)) m on m.k = s.k and s.ref > m.seen"),
    "w named ok": (P, "select s.id, s.ref, m.m as x from spine s asof left join (select k, seen, avg(temp) over w as m from obs window w as (partition "
                      "by k order by seen rows between 2 preceding and current row)) m on m.k = s.k and s.ref > m.seen"),
    "w order by other": (V, "select s.id, s.ref, m.m as x from spine s asof left join (select k, loaded, avg(temp) over (partition by k order by seen) "
                            "as m from events) m on m.k = s.k and s.ref > m.loaded"),
    "w order by loaded": (P, "select s.id, s.ref, m.m as x from spine s asof left join (select k, loaded, avg(temp) over (partition by k order by "
                             "loaded) as m from events) m on m.k = s.k and s.ref > m.loaded"),
    "w own label lag": (V, "select id, ref, lag(late) over (partition by k order by ref) as x from spine"),
    "w own label by known": (V, "select id, ref, sum(late) over (partition by k order by known rows between unbounded preceding and 1 preceding) as x "
                                "from spine"),
    "w exclude": (V, "select id, ref, avg(late) over (partition by k order by ref rows between unbounded preceding and current row exclude current row)"
                     " as x from spine"),
    "global mean": (V, "select s.id, s.ref, g.m as x from spine s cross join (select avg(temp) as m from events) g"),
    "global mean bounded": (P, "select s.id, s.ref, (select avg(e.temp) from events e where e.loaded < s.ref) as x from spine s"),
    "target enc": (V, "select s.id, s.ref, g.m as x from spine s join (select k, avg(late) as m from spine group by k) g on g.k = s.k"),
    "target enc window": (V, "select id, ref, avg(late) over (partition by k) as x from spine"),
    "target enc clean": (P, "select s.id, s.ref, (select avg(p.late) from spine p where p.k = s.k and p.known < s.ref) as x from spine s"),
    "min max scale": (V, "select s.id, s.ref, (s.distance - g.lo) / nullif(g.hi - g.lo, 0) as x from spine s, (select min(distance) lo, max(distance) "
                         "hi from spine) g"),
    "zscore window": (V, "select id, ref, distance - avg(distance) over () as x from spine"),
    "own": (P, "select id, ref, distance * 2 as x from spine"),
    "cte": (P, "with p as (select s.id, s.ref, e.temp from spine s join events e on e.k = s.k where e.loaded < s.ref) select id, ref, sum(temp) as x "
               "from p group by id, ref"),
    "cte lte": (V, "with p as (select s.id, s.ref, e.temp from spine s join events e on e.k = s.k where e.loaded <= s.ref) select id, ref, sum(temp) as"
                   " x from p group by id, ref"),
    "cte outside": (P, "with p as (select s.id, s.ref, e.temp, e.loaded from spine s join events e on e.k = s.k) select id, ref, sum(temp) as x from p "
                       "where loaded < ref group by id, ref"),
    "cte unused": (V, "with p as (select s.id, s.ref, e.temp from spine s join events e on e.k = s.k where e.loaded < s.ref), q as (select s.id, s.ref,"
                      " e.temp from spine s join events e on e.k = s.k) select id, ref, sum(temp) as x from q group by id, ref"),
    "cte shadows": (V, "with events as (select k, seen as loaded, temp from main.events) select s.id, s.ref, sum(e.temp) as x from spine s left join "
                       "events e on e.k = s.k and e.loaded < s.ref group by s.id, s.ref"),
    "subquery alias swap": (V, "select s.id, s.ref, sum(e.temp) as x from spine s left join (select k, temp, seen as loaded, loaded as seen from "
                               "events) e on e.k = s.k and e.loaded < s.ref group by s.id, s.ref"),
    "subquery alias swap ok": (P, "select s.id, s.ref, sum(e.temp) as x from spine s left join (select k, temp, seen as loaded, loaded as seen from "
                                  "events) e on e.k = s.k and e.seen < s.ref group by s.id, s.ref"),
    "case": (P, "select s.id, s.ref, sum(case when e.loaded < s.ref then e.temp end) as x from spine s left join events e on e.k = s.k group by s.id, "
                "s.ref"),
    "case leak": (V, "select s.id, s.ref, sum(case when e.loaded < s.ref then 0 else e.temp end) as x from spine s left join events e on e.k = s.k "
                     "group by s.id, s.ref"),
    "case 2": (S, "select s.id, s.ref, sum(case when e.loaded >= s.ref then 0 else e.temp end) as x from spine s left join events e on e.k = s.k group "
                  "by s.id, s.ref"),
    "case 3": (P, "select s.id, s.ref, sum(case when e.loaded < s.ref and e.temp > 2 then 1 else 0 end) as x from spine s left join events e on e.k = "
                  "s.k group by s.id, s.ref"),
    "iif": (P, "select s.id, s.ref, sum(if(e.loaded < s.ref, e.temp, 0)) as x from spine s left join events e on e.k = s.k group by s.id, s.ref"),
    "case not agg": (P, "select s.id, s.ref, max(case when e.loaded < s.ref then e.temp end) as x from spine s left join events e on e.k = s.k group by"
                        " s.id, s.ref"),
    "filter": (P, "select s.id, s.ref, sum(e.temp) filter (where e.loaded < s.ref) as x from spine s left join events e on e.k = s.k group by s.id, "
                  "s.ref"),
    "filter leak": (V, "select s.id, s.ref, sum(e.temp) filter (where e.seen < s.ref) as x from spine s left join events e on e.k = s.k group by s.id, "
                       "s.ref"),
    "qualify": (P, "select s.id, s.ref, e.temp as x from spine s join events e on e.k = s.k and e.loaded < s.ref qualify row_number() over (partition "
                   "by s.id order by e.seen desc, e.id) = 1"),
    "qualify leak": (V, "select s.id, s.ref, e.temp as x from spine s join events e on e.k = s.k qualify row_number() over (partition by s.id order by "
                        "e.seen desc, e.id) = 1"),
    "having": (S, "select s.id, s.ref, sum(e.temp) as x from spine s join events e on e.k = s.k group by s.id, s.ref having max(e.loaded) < s.ref"),
    "having min": (V, "select s.id, s.ref, sum(e.temp) as x from spine s join events e on e.k = s.k group by s.id, s.ref having min(e.loaded) < s.ref"),
    "exists": (P, "select s.id, s.ref, exists (select 1 from events e where e.k = s.k and e.loaded < s.ref) as x from spine s"),
    "exists leak": (V, "select s.id, s.ref, exists (select 1 from events e where e.k = s.k and e.loaded >= s.ref) as x from spine s"),
    "exists case": (V, "select s.id, s.ref, case when exists (select 1 from events e where e.k = s.k and e.seen < s.ref) then 1 else 0 end as x from "
                       "spine s"),
    "in value": (V, "select s.id, s.ref, s.k in (select e.k from events e where e.temp > 5) as x from spine s"),
    "in value ok": (P, "select s.id, s.ref, s.k in (select e.k from events e where e.loaded < s.ref and e.temp > 5) as x from spine s"),
    "filter exists": (V, "select a.id, a.ref, count(*) as x from spine a join obs b on b.k = a.k and b.seen < a.ref where exists (select 1 from events "
                         "e where e.id = b.id and e.temp > 3) group by a.id, a.ref"),
    "filter exists ok": (P, "select a.id, a.ref, count(*) as x from spine a join obs b on b.k = a.k and b.seen < a.ref where exists (select 1 from "
                            "events e where e.id = b.id and e.temp > 3 and e.loaded < a.ref) group by a.id, a.ref"),
    "filter in": (V, "select a.id, a.ref, sum(b.temp) as x from spine a join obs b on b.k = a.k and b.seen < a.ref where b.id in (select e.id from "
                     "events e where e.temp > 3) group by a.id, a.ref"),
    "filter not in": (V, "select a.id, a.ref, sum(b.temp) as x from spine a join obs b on b.k = a.k and b.seen < a.ref where b.id not in (select e.id "
                         "from events e where e.temp > 3) group by a.id, a.ref"),
    "filter join": (V, "select a.id, a.ref, sum(b.temp) as x from spine a join obs b on b.k = a.k and b.seen < a.ref join events e on e.id = b.id group"
                       " by a.id, a.ref"),
    "filter join ok": (P, "select a.id, a.ref, sum(b.temp) as x from spine a join obs b on b.k = a.k and b.seen < a.ref join events e on e.id = b.id "
                          "and e.loaded < a.ref group by a.id, a.ref"),
    "filter semi": (V, "select a.id, a.ref, sum(b.temp) as x from spine a join obs b on b.k = a.k and b.seen < a.ref semi join events e on e.id = b.id "
                       "group by a.id, a.ref"),
    "filter left is null": (V, "select a.id, a.ref, sum(b.temp) as x from spine a join obs b on b.k = a.k and b.seen < a.ref left join events e on e.id"
                               " = b.id where e.id is null group by a.id, a.ref"),
    "anti unsound": (V, "select a.id, a.ref, sum(e.temp) as x from spine a join events e on e.k = a.k anti join spine z on e.loaded < a.ref group by "
                        "a.id, a.ref"),
    "not exists bound": (V, "select a.id, a.ref, sum(e.temp) as x from spine a join events e on e.k = a.k where not exists (select 1 from spine z where"
                            " e.loaded < a.ref) group by a.id, a.ref"),
    "scalar sub": (P, "select s.id, s.ref, (select e.temp from events e where e.k = s.k and e.loaded < s.ref order by e.loaded desc, e.id limit 1) as x"
                      " from spine s"),
    "scalar sub leak": (V, "select s.id, s.ref, (select e.temp from events e where e.k = s.k order by e.loaded desc, e.id limit 1) as x from spine s"),
    "scalar in predicate": (V, "select s.id, s.ref, sum(e.temp) as x from spine s join events e on e.k = s.k and e.loaded < (select max(z.ref) from "
                               "spine z) group by s.id, s.ref"),
    "lateral": (P, "select s.id, s.ref, l.x from spine s left join lateral (select sum(e.temp) as x from events e where e.k = s.k and e.loaded < s.ref)"
                   " l on true"),
    "lateral leak": (V, "select s.id, s.ref, l.x from spine s left join lateral (select sum(e.temp) as x from events e where e.k = s.k and e.loaded <= "
                        "s.ref) l on true"),
    "asof": (P, "select s.id, s.ref, e.temp as x from spine s asof left join (select k, loaded, max(temp) as temp from events group by k, loaded) e on "
                "e.k = s.k and s.ref > e.loaded"),
    "asof gte": (V, "select s.id, s.ref, e.temp as x from spine s asof left join (select k, loaded, max(temp) as temp from events group by k, loaded) e"
                    " on e.k = s.k and s.ref >= e.loaded"),
    "asof future": (V, "select s.id, s.ref, e.temp as x from spine s asof left join (select k, loaded, max(temp) as temp from events group by k, "
                       "loaded) e on e.k = s.k and s.ref <= e.loaded"),
    "asof seen": (V, "select s.id, s.ref, e.temp as x from spine s asof left join (select k, seen, max(temp) as temp from events group by k, seen) e on"
                     " e.k = s.k and s.ref > e.seen"),
    "asof using": (V, "select s.id, s.ref, e.temp as x from spine s asof left join (select k, loaded as ref, max(temp) as temp from events group by k, "
                      "loaded) e using (k, ref)"),
    "asof using ok": (P, "select s.id, s.ref, e.temp as x from spine s asof left join (select k, loaded + interval 1 second as ref, max(temp) as temp "
                         "from events group by k, loaded) e using (k, ref)"),
    "right join": (P, "select s.id, s.ref, sum(e.temp) as x from events e right join spine s on e.k = s.k and e.loaded < s.ref group by s.id, s.ref"),
    "right join leak": (V, "select s.id, s.ref, sum(e.temp) as x from events e right join spine s on e.k = s.k and e.seen < s.ref group by s.id, s.ref"),
    "full join inner": (P, "select s.id, s.ref, e.x from (select z.id, z.ref, sum(e.temp) as x from spine z join events e on e.k = z.k and e.loaded < "
                           "z.ref group by z.id, z.ref) e full join spine s on s.id = e.id and s.ref = e.ref"),
    "full join coalesce": (P, "select coalesce(s.id, e.id) as id, coalesce(s.ref, e.ref) as ref, e.x from (select z.id, z.ref, sum(e.temp) as x from "
                              "spine z join events e on e.k = z.k and e.loaded < z.ref group by z.id, z.ref) e full join spine s on s.id = e.id and "
                              "s.ref = e.ref"),
    "cross join where": (P, "select s.id, s.ref, sum(e.temp) as x from spine s cross join events e where e.k = s.k and e.loaded < s.ref group by s.id, "
                            "s.ref"),
    "comma": (P, "select s.id, s.ref, sum(e.temp) as x from spine s, events e where e.k = s.k and e.loaded < s.ref group by s.id, s.ref"),
    "comma leak": (V, "select s.id, s.ref, sum(e.temp) as x from spine s, events e where e.k = s.k and e.loaded < s.known group by s.id, s.ref"),
    "left where": (S, "select s.id, s.ref, sum(e.temp) as x from spine s left join events e on e.k = s.k where e.loaded < s.ref or e.loaded is null "
                      "group by s.id, s.ref"),
    "left where 2": (S, "select s.id, s.ref, sum(e.temp) as x from spine s left join events e on e.k = s.k where e.id is null or e.loaded < s.ref group"
                        " by s.id, s.ref"),
    "left where leak": (V, "select s.id, s.ref, sum(e.temp) as x from spine s left join events e on e.k = s.k where e.temp is null or e.seen < s.ref "
                           "group by s.id, s.ref"),
    "wrong row bound": (V, "select s.id, s.ref, sum(e.temp) as x from spine s left join events g on g.k = s.k and g.loaded < s.ref left join events e "
                           "on e.k = s.k group by s.id, s.ref"),
    "two joins one leak": (V, "select s.id, s.ref, sum(g.temp) + sum(e.temp) as x from spine s left join events g on g.k = s.k and g.loaded < s.ref "
                              "left join events e on e.k = s.k and e.seen < s.ref group by s.id, s.ref"),
    "chain": (P, "select s.id, s.ref, sum(e.temp) as x from spine s left join events g on g.k = s.k and g.loaded < s.ref left join events e on e.k = "
                 "s.k and e.loaded < g.loaded group by s.id, s.ref"),
    "union ok": (P, "select id, ref, sum(temp) as x from (select s.id, s.ref, e.temp from spine s join events e on e.k = s.k and e.loaded < s.ref union"
                    " all select s.id, s.ref, e.temp from spine s join obs e on e.k = s.k and e.seen < s.ref) u group by id, ref"),
    "union one": (V, "select id, ref, sum(temp) as x from (select s.id, s.ref, e.temp from spine s join events e on e.k = s.k and e.loaded < s.ref "
                     "union all select s.id, s.ref, e.temp from spine s join obs e on e.k = s.k) u group by id, ref"),
    "union before": (P, "with u as (select k, loaded as t, temp from events union all select k, seen, temp from obs) select s.id, s.ref, sum(u.temp) as"
                        " x from spine s left join u on u.k = s.k and u.t < s.ref group by s.id, s.ref"),
    "union before leak": (V, "with u as (select k, seen as t, temp from events union all select k, seen, temp from obs) select s.id, s.ref, sum(u.temp)"
                             " as x from spine s left join u on u.k = s.k and u.t < s.ref group by s.id, s.ref"),
    "union order": (V, "with u as (select k, loaded as t, seen as w, temp from events union all select k, seen, loaded, temp from events) select s.id, "
                       "s.ref, sum(u.temp) as x from spine s left join u on u.k = s.k and u.t < s.ref group by s.id, s.ref"),
    "union by name": (P, "with u as (select k, loaded as t, seen as w, temp from events union all by name select k, seen as w, loaded as t, temp from "
                         "events) select s.id, s.ref, sum(u.temp) as x from spine s left join u on u.k = s.k and u.t < s.ref group by s.id, s.ref"),
    "except": (V, "select id, ref, sum(temp) as x from (select s.id, s.ref, e.temp from spine s join events e on e.k = s.k and e.loaded < s.ref except "
                  "select s.id, s.ref, e.temp from spine s join obs e on e.k = s.k) u group by id, ref"),
    "latest, bounded before": (P, "with p as (select s.id, s.ref, e.temp, row_number() over (partition by s.id order by e.loaded desc) as n from spine s "
                                  "join events e on e.k = s.k and e.loaded < s.ref) select s.id, s.ref, p.temp as x from spine s left join p on "
                                  "p.id = s.id and p.ref = s.ref and p.n = 1"),
    "lateral latest": (P, "select s.id, s.ref, l.temp as x from spine s left join lateral (select e.temp from events e where e.k = s.k and e.loaded < s.ref "
                          "order by e.loaded desc limit 1) l on true"),
    "lateral qualify": (P, "select s.id, s.ref, l.temp as x from spine s left join lateral (select e.temp from events e where e.k = s.k and e.loaded < s.ref "
                           "qualify row_number() over (order by e.loaded desc) = 1) l on true"),
    "lateral latest, bounded after": (S, "select s.id, s.ref, l.temp as x from spine s left join lateral (select e.temp, e.loaded from events e where "
                                         "e.k = s.k order by e.loaded desc limit 1) l on l.loaded < s.ref"),
    "latest until a moment": (P, "select s.id, s.ref, e.temp as x from spine s left join (select * from events where loaded < timestamp '2025-12-31' "
                                 "qualify row_number() over (partition by k order by loaded desc) = 1) e on e.k = s.k and e.loaded < s.ref"),
    "distinct on": (P, "select distinct on (s.id) s.id, s.ref, e.temp as x from spine s join events e on e.k = s.k and e.loaded < s.ref order by s.id, "
                       "e.loaded desc, e.id"),
    "distinct on leak": (V, "select distinct on (s.id) s.id, s.ref, e.temp as x from spine s join events e on e.k = s.k and e.seen < s.ref order by "
                            "s.id, e.loaded desc, e.id"),
    "order limit": (P, "select s.id, s.ref, max_by(e.temp, e.loaded) as x from spine s join events e on e.k = s.k and e.loaded < s.ref group by all"),
    "list agg": (P, "select s.id, s.ref, list(e.temp order by e.loaded)[1] as x from spine s join events e on e.k = s.k and e.loaded < s.ref group by "
                    "all"),
    "pre-filter": (P, "select s.id, s.ref, sum(e.temp) as x from (select * from spine where distance > 10) s left join (select * from events where temp"
                      " > 2) e on e.k = s.k and e.loaded < s.ref group by s.id, s.ref"),
    "const": (P, "select id, ref, 1 as x from spine"),
    "ref itself": (P, "select id, ref, hour(ref) as x from spine"),
    "dim old": (P, "select s.id, s.ref, d.seats as x from spine s left join dim d on d.k = s.k"),
    "dim new": (U, "select s.id, s.ref, d.seats as x from spine s left join dim2 d on d.k = s.k"),
    "undeclared bounded": (U, "select s.id, s.ref, sum(e.temp) as x from spine s left join plain e on e.k = s.k and e.seen < s.ref group by s.id, s.ref"),
    "undeclared": (S, "select s.id, s.ref, sum(e.temp) as x from spine s left join plain e on e.k = s.k and true group by s.id, s.ref"),
    "values": (P, "select s.id, s.ref, v.w as x from spine s left join (values ('a', 1), ('b', 2)) v(k, w) on v.k = s.k"),
    "scd2": (P, "select s.id, s.ref, p.price as x from spine s left join prices p on p.k = s.k and s.ref > p.valid_from and s.ref <= p.valid_to"),
    "scd2 leak": (V, "select s.id, s.ref, p.price as x from spine s left join prices p on p.k = s.k and s.ref >= p.valid_from and s.ref < p.valid_to"),
}
# rows of events that are kept before anything bounds them: what is missing tells of later ones
PICKED: Final[Conditions] = {
    "latest": (S, "select * from events qualify row_number() over (partition by k order by loaded desc) = 1"),
    "latest as number": (S, "select k, loaded, temp from (select *, row_number() over (partition by k order by loaded desc) as n from events) where n = 1"),
    "rank and moment": (S, "select k, loaded, temp from (select *, rank() over (partition by k order by loaded desc) as n from events) "
                           "where n < 2 and temp >= 0"),
    "distinct on": (S, "select distinct on (k) k, loaded, temp from events order by k, loaded desc"),
    "distinct on two keys": (S, "select distinct on (k, temp % 3) k, loaded, temp from events order by k, temp % 3, loaded desc"),
    "limit": (S, "select k, loaded, temp from events order by loaded desc limit 1"),
    "latest time": (S, "select k, max(loaded) as loaded, sum(temp) as temp from events group by k"),
    "latest value": (S, "select k, max(loaded) as loaded, max_by(temp, loaded) as temp from events group by k"),
    "all early": (S, "select k, max(loaded) as loaded, sum(temp) as temp from events group by k having max(loaded) < timestamp '2030-01-01'"),
    "latest of latest": (S, "select k, max(loaded) as loaded, sum(temp) as temp from (select k, id, max(loaded) as loaded, max_by(temp, loaded) as temp "
                            "from events group by k, id) group by k"),
    "latest time, union": (S, "select k, max(loaded) as loaded, sum(temp) as temp from (select k, loaded, temp from events union all "
                              "select k, loaded, temp from events) group by k"),
    "first": (P, "select * from events qualify row_number() over (partition by k order by loaded) = 1"),
    "last of a moment": (P, "select * from events qualify row_number() over (partition by k, loaded order by temp desc) = 1"),
    "latest of a day": (P, "select k, date_trunc('day', loaded) + interval 1 day as loaded, max_by(temp, loaded) as temp from events group by k, "
                           "date_trunc('day', loaded)"),
    "first on": (P, "select distinct on (k) k, loaded, temp from events order by k, loaded"),
    "largest": (P, "select k, loaded, max(temp) as temp from events group by k, loaded"),
    "all": (P, "select * from events where temp > 2"),
}
# several models, one after another
PIPELINES: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "days, then days": (P, {
        "g": "select k, date_trunc('day', loaded) as on_day, sum(temp) as temp from events group by 1, 2",
        "f": "select s.id, s.ref, sum(e.temp) as x from spine s left join g e on e.k = s.k and e.on_day < date_trunc('day', s.ref) group by s.id, s.ref",
    }),
    "days, then weeks": (P, {
        "g": "select k, date_trunc('day', loaded) as on_day, sum(temp) as temp from events group by 1, 2",
        "f": "select s.id, s.ref, sum(e.temp) as x from spine s left join g e on e.k = s.k and e.on_day < date_trunc('week', s.ref) group by s.id, s.ref",
    }),
    "days, then until the day": (V, {
        "g": "select k, date_trunc('day', loaded) as on_day, sum(temp) as temp from events group by 1, 2",
        "f": "select s.id, s.ref, sum(e.temp) as x from spine s left join g e on e.k = s.k and e.on_day <= date_trunc('day', s.ref) group by s.id, s.ref",
    }),
    "days, then hours": (V, {
        "g": "select k, date_trunc('day', loaded) as on_day, sum(temp) as temp from events group by 1, 2",
        "f": "select s.id, s.ref, sum(e.temp) as x from spine s left join g e on e.k = s.k and e.on_day < date_trunc('hour', s.ref) group by s.id, s.ref",
    }),
    "weeks, then days": (V, {
        "g": "select k, date_trunc('week', loaded) as on_day, sum(temp) as temp from events group by 1, 2",
        "f": "select s.id, s.ref, sum(e.temp) as x from spine s left join g e on e.k = s.k and e.on_day < date_trunc('day', s.ref) group by s.id, s.ref",
    }),
    "2 models": (P, {
        "g": "select k, loaded, temp from events where temp > 2",
        "f": "select s.id, s.ref, sum(e.temp) as x from spine s left join g e on e.k = s.k and e.loaded < s.ref group by s.id, s.ref",
    }),
    "2 models rename": (P, {
        "g": "select k, loaded as upto, temp from events",
        "f": "select s.id, s.ref, sum(e.temp) as x from spine s left join g e on e.k = s.k and e.upto < s.ref group by s.id, s.ref",
    }),
    "2 models rename leak": (V, {
        "g": "select k, seen as upto, temp from events",
        "f": "select s.id, s.ref, sum(e.temp) as x from spine s left join g e on e.k = s.k and e.upto < s.ref group by s.id, s.ref",
    }),
    "2 models day": (V, {
        "g": "select k, loaded::date as on_day, sum(temp) as temp from events group by 1, 2",
        "f": "select s.id, s.ref, sum(e.temp) as x from spine s left join g e on e.k = s.k and e.on_day < s.ref group by s.id, s.ref",
    }),
    "2 models day ok": (P, {
        "g": "select k, loaded::date as on_day, sum(temp) as temp from events group by 1, 2",
        "f": "select s.id, s.ref, sum(e.temp) as x from spine s left join g e on e.k = s.k and e.on_day < s.ref::date group by s.id, s.ref",
    }),
    "2 models day ok2": (P, {
        "g": "select k, date_trunc('day', loaded) as on_day, sum(temp) as temp from events group by 1, 2",
        "f": "select s.id, s.ref, sum(e.temp) as x from spine s left join g e on e.k = s.k and e.on_day + interval 1 day <= s.ref group by s.id, s.ref",
    }),
    "2 models hour": (P, {
        "g": "select k, date_trunc('hour', loaded) + interval 1 hour as upto, sum(temp) as temp from events group by 1, 2",
        "f": "select s.id, s.ref, sum(e.temp) as x from spine s left join g e on e.k = s.k and e.upto <= s.ref group by s.id, s.ref",
    }),
    "2 models day of a key": (P, {
        "g": "select k, date_trunc('day', loaded) + interval 1 day as upto, sum(temp) as temp from events group by k, date_trunc('day', loaded)",
        "f": "select s.id, s.ref, sum(e.temp) as x from spine s left join g e on e.k = s.k and e.upto <= s.ref group by s.id, s.ref",
    }),
    "2 models min": (V, {
        "g": "select k, min(loaded) as upto, sum(temp) as temp from events group by k",
        "f": "select s.id, s.ref, sum(e.temp) as x from spine s left join g e on e.k = s.k and e.upto < s.ref group by s.id, s.ref",
    }),
    "2 models any_value": (V, {
        "g": "select k, any_value(loaded) as upto, sum(temp) as temp from events group by k",
        "f": "select s.id, s.ref, sum(e.temp) as x from spine s left join g e on e.k = s.k and e.upto < s.ref group by s.id, s.ref",
    }),
    "2 models global": (V, {
        "g": "select k, avg(temp) as temp from events group by k",
        "f": "select s.id, s.ref, g.temp as x from spine s left join g on g.k = s.k",
    }),
    "3 models": (P, {
        "h": "select k, seen, loaded, temp from events",
        "g": "select k, loaded as upto, temp from h",
        "f": "select s.id, s.ref, sum(e.temp) as x from spine s left join g e on e.k = s.k and e.upto < s.ref group by s.id, s.ref",
    }),
    "star": (P, {
        "g": "select * from events",
        "f": "select s.id, s.ref, sum(e.temp) as x from spine s left join g e on e.k = s.k and e.loaded < s.ref group by s.id, s.ref",
    }),
    "star exclude replace": (V, {
        "g": "select * replace (seen as loaded) from events",
        "f": "select s.id, s.ref, sum(e.temp) as x from spine s left join g e on e.k = s.k and e.loaded < s.ref group by s.id, s.ref",
    }),
    "distinct": (P, {
        "g": "select distinct k, loaded, temp from events",
        "f": "select s.id, s.ref, sum(e.temp) as x from spine s left join g e on e.k = s.k and e.loaded < s.ref group by s.id, s.ref",
    }),
}


def all_cases() -> dict[str, tuple[str, dict[str, str]]]:
    """Name -> (what it has to be judged, its models in order; the last is `f` with columns id, ref and x)."""
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for table, conditions in (("events", CONDITIONS), ("obs", MOMENTS), ("slow", DELAYED), ("daily", DAILY)):
        found |= {f"{table}: {name}": (state, {"f": JOINED.format(table=table, condition=text)}) for name, (state, text) in conditions.items()}
    found |= {f"own: {name}": (state, {"f": EARLIER.format(condition=text)}) for name, (state, text) in OWN.items()}
    found |= {f"frame: {name}": (state, {"f": FRAMED.format(window=text)}) for name, (state, text) in FRAMES.items()}
    found |= {f"picked: {name}": (state, {"f": KEPT.format(rows=text)}) for name, (state, text) in PICKED.items()}
    found |= {f"picked in a model: {name}": (state, {"g": text, "f": KEPT.format(rows="select * from g")}) for name, (state, text) in PICKED.items()}
    found |= {f"statement: {name}": (state, {"f": text}) for name, (state, text) in STATEMENTS.items()}
    return found | {f"pipeline: {name}": (state, dict(models)) for name, (state, models) in PIPELINES.items()}


VOCABULARY: Final = sorted({*TABLES, *(column.split()[0] for columns, *_ in TABLES.values() for column in columns.split(", ")), "x", "upto"}, key=len)


def rename(sql: str, names: Mapping[str, str]) -> str:
    """The text with these names of tables and columns; what stands in quotes stays."""
    word = re.compile(r"'[^']*'|\b[a-z_][a-z_0-9]*\b")
    return word.sub(lambda found: names.get(found[0], found[0]), sql)
