--# tables: DB.PUBLIC.ORDERS(ID NUMBER, CUSTOMER_ID NUMBER, AMOUNT NUMBER, DISCOUNT NUMBER, STATUS VARCHAR, DAY DATE, DOC VARIANT, TAGS ARRAY)
--# tables: DB.PUBLIC.CUSTOMERS(ID NUMBER, NAME VARCHAR, EMAIL VARCHAR, CITY VARCHAR)
--# tables: DB.PUBLIC.SALES(REGION VARCHAR, MONTH VARCHAR, AMOUNT NUMBER)
--# tables: DB.PUBLIC.WIDE(ID NUMBER, Q1 NUMBER, Q2 NUMBER)
--# tables: DB.RAW."lower"(id NUMBER, "Id" NUMBER, NAME VARCHAR)
--# tables: RAW.APP.EVENTS(ID NUMBER, ACCOUNT_ID NUMBER, PAYLOAD VARIANT, TS TIMESTAMP_NTZ, KIND VARCHAR)
--# tables: RAW.APP.ACCOUNTS(ID NUMBER, NAME VARCHAR, PLAN VARCHAR, MRR NUMBER, CREATED DATE)
--# tables: P.S.T1(ID NUMBER, A NUMBER, B VARCHAR, V VARIANT, TS TIMESTAMP)
--# tables: P.S.T2(ID NUMBER, C NUMBER, "d" VARCHAR)

--# name: database and schema by use
schema: none
writes: shop.daily.totals
total = A:shop.raw.sales.amount
day = shop.daily.days.day
rows = J:shop.raw.sales.day J:shop.daily.days.day G:shop.daily.days.day
--
use warehouse small;
use database shop;
use schema daily;
create or replace table totals as
with sold as (select day, amount from raw.sales)
select sum(sold.amount) as total, days.day from sold join days on days.day = sold.day group by days.day

--# name: unquoted names are found whatever their case
id = DB.PUBLIC.ORDERS.ID
total = T:DB.PUBLIC.ORDERS.AMOUNT T:DB.PUBLIC.ORDERS.DISCOUNT
--
select «id»id, «total»amount - discount as total from orders

--# name: star
ID = DB.PUBLIC.CUSTOMERS.ID
NAME = DB.PUBLIC.CUSTOMERS.NAME
EMAIL = DB.PUBLIC.CUSTOMERS.EMAIL
CITY = DB.PUBLIC.CUSTOMERS.CITY
--
select «ID,CITY»* from db.public.customers

--# name: star exclude rename
customer = DB.PUBLIC.CUSTOMERS.NAME
CITY = DB.PUBLIC.CUSTOMERS.CITY
--
select * exclude (id, email) rename (name as customer) from customers

--# name: without a schema names stay as written
schema: none
id = orders.id
Total = T:orders.Amount
--
select id, Amount + 1 as Total from orders

--# name: quoted columns
a = DB.RAW.lower.Id
b = DB.RAW.lower.id
--
select "Id" as "a", "id" as "b" from raw."lower"

--# name: variant path
sku = T:DB.PUBLIC.ORDERS.DOC
w = T:DB.PUBLIC.ORDERS.DOC
--
select «sku»doc:item.sku::string as sku, «w»o.doc:size:w::int as w from orders o

--# name: bracket path
x = T:DB.PUBLIC.ORDERS.DOC
--
select doc['a']['b'][0]::string as x from orders

--# name: lateral flatten
id = DB.PUBLIC.ORDERS.ID
sku = T:DB.PUBLIC.ORDERS.DOC
--
select o.id, «sku»f.value:sku::string as sku from orders o, lateral flatten(input => o.doc:items) f

--# name: table flatten
id = DB.PUBLIC.ORDERS.ID
tag = T:DB.PUBLIC.ORDERS.TAGS
pos = T:DB.PUBLIC.ORDERS.TAGS
--
select o.id, f.value::string as tag, f.index as pos from orders o, table(flatten(o.tags)) f

--# name: flatten of a flatten
name = T:DB.PUBLIC.ORDERS.DOC
--
select g.value:name::string as name from orders o,
  lateral flatten(input => o.doc:groups) f,
  lateral flatten(input => f.value:members) g

--# name: flatten with a filter
v = T:DB.PUBLIC.ORDERS.DOC
rows = F:DB.PUBLIC.ORDERS.DOC
--
select f.value as v from orders o, lateral flatten(input => o.doc, outer => true) f where f.key = 'x'

--# name: qualify
id = DB.PUBLIC.ORDERS.ID
rows = F:DB.PUBLIC.ORDERS.CUSTOMER_ID F:DB.PUBLIC.ORDERS.DAY
--
select id from orders qualify row_number() over (partition by customer_id order by day desc) = 1

--# name: qualify with an alias
id = DB.PUBLIC.ORDERS.ID
rn = W:DB.PUBLIC.ORDERS.CUSTOMER_ID W:DB.PUBLIC.ORDERS.DAY
rows = F:DB.PUBLIC.ORDERS.CUSTOMER_ID F:DB.PUBLIC.ORDERS.DAY
--
select id, row_number() over (partition by customer_id order by day) as rn from orders qualify rn = 1

--# name: lateral alias
net = T:DB.PUBLIC.ORDERS.AMOUNT T:DB.PUBLIC.ORDERS.DISCOUNT
taxed = T:DB.PUBLIC.ORDERS.AMOUNT T:DB.PUBLIC.ORDERS.DISCOUNT
rows = F:DB.PUBLIC.ORDERS.AMOUNT F:DB.PUBLIC.ORDERS.DISCOUNT
--
select amount - discount as net, net * 1.2 as taxed from orders where net > 0

--# name: pivot
REGION = DB.PUBLIC.SALES.REGION
'jan' = A:DB.PUBLIC.SALES.AMOUNT C:DB.PUBLIC.SALES.MONTH
'feb' = A:DB.PUBLIC.SALES.AMOUNT C:DB.PUBLIC.SALES.MONTH
rows = G:DB.PUBLIC.SALES.REGION
--
select * from sales pivot (sum(amount) for month in ('jan', 'feb'))

--# name: pivot with column names
region = DB.PUBLIC.SALES.REGION
january = A:DB.PUBLIC.SALES.AMOUNT C:DB.PUBLIC.SALES.MONTH
rows = G:DB.PUBLIC.SALES.REGION
--
select region, january from sales pivot (sum(amount) for month in ('jan')) as p (region, january)

--# name: unpivot
ID = DB.PUBLIC.WIDE.ID
QUARTER =
V = DB.PUBLIC.WIDE.Q1 DB.PUBLIC.WIDE.Q2
--
select * from wide unpivot (v for quarter in (q1, q2))

--# name: insert
writes: target
id = DB.PUBLIC.ORDERS.ID
amount = DB.PUBLIC.ORDERS.AMOUNT
--
insert into target (id, amount) select id, amount from orders

--# name: insert overwrite
writes: target
id = DB.PUBLIC.ORDERS.ID
--
insert overwrite into target (id) select id from orders

--# name: insert all
writes: b
status: partial
reason: several-outputs
x = DB.PUBLIC.ORDERS.AMOUNT
--
insert all
  into a (x) values (id)
  into b (x) values (amount)
select id, amount from orders

--# name: ctas
writes: db.s.target
id = DB.PUBLIC.ORDERS.ID
--
create or replace transient table db.s.target as select id from orders

--# name: dynamic table
writes: d
id = DB.PUBLIC.ORDERS.ID
--
create or replace dynamic table d target_lag = '1 hour' warehouse = w as select id from orders

--# name: secure view
writes: v
id = DB.PUBLIC.ORDERS.ID
--
create or replace secure view v as select id from orders

--# name: view with column list and comments
writes: v
a = DB.PUBLIC.ORDERS.ID
--
create view v (a comment 'x') as select id from orders

--# name: clone
writes: copy
ID = DB.PUBLIC.ORDERS.ID
CUSTOMER_ID = DB.PUBLIC.ORDERS.CUSTOMER_ID
AMOUNT = DB.PUBLIC.ORDERS.AMOUNT
DISCOUNT = DB.PUBLIC.ORDERS.DISCOUNT
STATUS = DB.PUBLIC.ORDERS.STATUS
DAY = DB.PUBLIC.ORDERS.DAY
DOC = DB.PUBLIC.ORDERS.DOC
TAGS = DB.PUBLIC.ORDERS.TAGS
--
create table copy clone orders

--# name: merge
writes: customers
status: partial
reason: merge-keeps-other-values
name = DB.PUBLIC.ORDERS.STATUS T:DB.PUBLIC.ORDERS.STATUS
id = DB.PUBLIC.ORDERS.CUSTOMER_ID
rows = J:DB.PUBLIC.CUSTOMERS.ID J:DB.PUBLIC.ORDERS.CUSTOMER_ID
--
merge into customers c using orders o on c.id = o.customer_id
when matched then update set c.name = o.status
when not matched then insert (id, name) values (o.customer_id, upper(o.status))

--# name: update from a subquery
writes: customers
status: partial
reason: update-keeps-other-values
city = A:DB.PUBLIC.ORDERS.STATUS
rows = G:DB.PUBLIC.ORDERS.CUSTOMER_ID F:DB.PUBLIC.CUSTOMERS.ID F:DB.PUBLIC.ORDERS.CUSTOMER_ID
--
update customers set city = s.top from (select customer_id, max(status) as top from orders group by customer_id) s where s.customer_id = customers.id

--# name: delete using
writes: orders
status: partial
reason: statement:delete
rows = F:DB.PUBLIC.ORDERS.CUSTOMER_ID F:DB.PUBLIC.CUSTOMERS.ID
--
delete from orders using customers where orders.customer_id = customers.id

--# name: copy into from a stage
writes: target
status: partial
reason: copy
--
copy into target from @stage/file.csv

--# name: copy into a stage from a query
writes: @stage/out
id = DB.PUBLIC.ORDERS.ID
--
copy into @stage/out from (select id from orders)

--# name: stage query
a = @stage/file.csv.$1
b = T:@stage/file.csv.$2
--
select $1 as a, $2::int as b from @stage/file.csv

--# name: recursive cte
id = DB.PUBLIC.ORDERS.ID
level =
rows = F:DB.PUBLIC.ORDERS.STATUS J:DB.PUBLIC.ORDERS.CUSTOMER_ID J:DB.PUBLIC.ORDERS.ID
--
with recursive r as (
  select id, 1 as level from orders where status = 'x'
  union all
  select o.id, r.level + 1 from orders o join r on o.customer_id = r.id
)
select id, level from r

--# name: connect by
id = DB.PUBLIC.ORDERS.ID
status: partial
reason: connect-by
rows = F:DB.PUBLIC.ORDERS.STATUS F:DB.PUBLIC.ORDERS.ID F:DB.PUBLIC.ORDERS.CUSTOMER_ID
--
select id from orders start with status = 'root' connect by prior id = customer_id

--# name: match_recognize is partial
status: partial
reason: match-recognize
CUSTOMER_ID = DB.PUBLIC.ORDERS.CUSTOMER_ID
id = A:DB.PUBLIC.ORDERS.ID
rows = F:DB.PUBLIC.ORDERS.AMOUNT S:DB.PUBLIC.ORDERS.DAY
--
select * from orders match_recognize (
  partition by customer_id order by day
  measures first(id) as id
  one row per match
  pattern (a b+)
  define b as amount > lag(amount)
)

--# name: listagg within group
names = A:DB.PUBLIC.CUSTOMERS.NAME S:DB.PUBLIC.CUSTOMERS.ID
rows = G:DB.PUBLIC.CUSTOMERS.CITY
--
select listagg(name, ', ') within group (order by id) as names from customers group by city

--# name: iff and zeroifnull
x = T:DB.PUBLIC.ORDERS.AMOUNT C:DB.PUBLIC.ORDERS.STATUS
y = T:DB.PUBLIC.ORDERS.DISCOUNT
--
select iff(status = 'x', amount + 1, 0) as x, zeroifnull(discount) as y from orders

--# name: object_construct
o = T:DB.PUBLIC.ORDERS.ID T:DB.PUBLIC.ORDERS.AMOUNT
--
select object_construct('id', id, 'a', amount) as o from orders

--# name: object_construct of everything
o = T:DB.PUBLIC.CUSTOMERS.ID T:DB.PUBLIC.CUSTOMERS.NAME T:DB.PUBLIC.CUSTOMERS.EMAIL T:DB.PUBLIC.CUSTOMERS.CITY
--
select object_construct(*) as o from customers

--# name: hash of everything
h = T:DB.PUBLIC.CUSTOMERS.ID! T:DB.PUBLIC.CUSTOMERS.NAME! T:DB.PUBLIC.CUSTOMERS.EMAIL! T:DB.PUBLIC.CUSTOMERS.CITY!
--
select hash(*) as h from customers

--# name: asof join
id = DB.PUBLIC.ORDERS.ID
amount = DB.PUBLIC.SALES.AMOUNT
rows = J:DB.PUBLIC.ORDERS.DAY J:DB.PUBLIC.SALES.MONTH J:DB.PUBLIC.ORDERS.STATUS J:DB.PUBLIC.SALES.REGION
--
select o.id, s.amount from orders o asof join sales s match_condition (o.day >= s.month) on o.status = s.region

--# name: join using
id = T:DB.PUBLIC.ORDERS.ID T:DB.PUBLIC.CUSTOMERS.ID
name = DB.PUBLIC.CUSTOMERS.NAME
rows = J:DB.PUBLIC.ORDERS.ID J:DB.PUBLIC.CUSTOMERS.ID
--
select id, name from orders join customers using (id)

--# name: at timestamp
id = DB.PUBLIC.ORDERS.ID
--
select id from orders at (timestamp => '2026-01-01'::timestamp)

--# name: sample
id = DB.PUBLIC.ORDERS.ID
--
select id from orders sample (10)

--# name: minus
id = DB.PUBLIC.ORDERS.CUSTOMER_ID
rows = F:DB.PUBLIC.CUSTOMERS.ID
--
select customer_id as id from orders minus select id from customers

--# name: values
a =
--
select column1 as a from (values (1), (2))

--# name: generator
n =
--
select seq4() as n from table(generator(rowcount => 10))

--# name: script with a temporary table
writes: out
city = DB.PUBLIC.CUSTOMERS.CITY
spent = A:DB.PUBLIC.ORDERS.AMOUNT
rows = F:DB.PUBLIC.ORDERS.STATUS J:DB.PUBLIC.ORDERS.CUSTOMER_ID J:DB.PUBLIC.CUSTOMERS.ID G:DB.PUBLIC.CUSTOMERS.CITY
--
create or replace temporary table paid as select customer_id, amount from orders where status = 'paid';
insert into out (city, spent)
select c.city, sum(p.amount) from paid p join customers c on c.id = p.customer_id group by c.city;

--# name: procedure in sql
writes: target
status: partial
reason: routine
id = DB.PUBLIC.ORDERS.ID
rows = F:DB.PUBLIC.ORDERS.DAY
--
create or replace procedure load() returns varchar language sql as
$$
begin
  insert into target (id) select id from orders where day > '2026-01-01';
  return 'ok';
end;
$$

--# name: anonymous block
writes: target
status: partial
reason: routine
id = DB.PUBLIC.ORDERS.ID
--
execute immediate $$
begin
  insert into target (id) select id from orders;
end;
$$

--# name: masking
h = T:DB.PUBLIC.CUSTOMERS.EMAIL!
--
select sha2(lower(email)) as h from customers

--# name: max_by
last = A:DB.PUBLIC.ORDERS.AMOUNT S:DB.PUBLIC.ORDERS.DAY
rows = G:DB.PUBLIC.ORDERS.CUSTOMER_ID
--
select max_by(amount, day) as last from orders group by customer_id

--# name: group by alias
m = T:DB.PUBLIC.ORDERS.DAY
n =
rows = G:DB.PUBLIC.ORDERS.DAY
--
select date_trunc('month', day) as m, count(*) as n from orders group by m

--# name: columns of two ctes with the same names
a = DB.PUBLIC.ORDERS.ID
b = DB.PUBLIC.CUSTOMERS.ID
rows = J:DB.PUBLIC.ORDERS.ID J:DB.PUBLIC.CUSTOMERS.ID
--
with x as (select id from orders), y as (select id from customers) select x.id as a, y.id as b from x join y on x.id = y.id

--# name: flatten with index and a cast
event_id = RAW.APP.EVENTS.ID
sku = T:RAW.APP.EVENTS.PAYLOAD
nr = T:RAW.APP.EVENTS.PAYLOAD
--
select e.id as event_id, l.value:sku::varchar as sku, l.index + 1 as nr from raw.app.events e, lateral flatten(input => e.payload:lines) l

--# name: daily counts with a spine
day = T:RAW.APP.EVENTS.TS
n = A:RAW.APP.EVENTS.ID
rows = G:RAW.APP.EVENTS.TS F:RAW.APP.EVENTS.KIND
--
with e as (select date_trunc('day', ts) as day, id, kind from events)
select day, count(id) as n from e where kind ilike 'click%' group by day

--# name: latest plan by max_by and qualify
account_id = RAW.APP.EVENTS.ACCOUNT_ID
plan = T:RAW.APP.EVENTS.PAYLOAD
rows = F:RAW.APP.EVENTS.ACCOUNT_ID F:RAW.APP.EVENTS.TS F:RAW.APP.EVENTS.KIND
--
select account_id, payload:plan::string as plan from events where kind = 'plan' qualify row_number() over (partition by account_id order by ts desc nulls last) = 1

--# name: conditional sums
plan = RAW.APP.ACCOUNTS.PLAN
big = A:RAW.APP.ACCOUNTS.MRR C:RAW.APP.ACCOUNTS.MRR
rows = G:RAW.APP.ACCOUNTS.PLAN
--
select plan, sum(iff(mrr > 1000, mrr, 0)) as big from accounts group by plan

--# name: ctas with star exclude and a join
writes: mart
ID = RAW.APP.EVENTS.ID
ACCOUNT_ID = RAW.APP.EVENTS.ACCOUNT_ID
TS = RAW.APP.EVENTS.TS
plan = RAW.APP.ACCOUNTS.PLAN
rows = J:RAW.APP.EVENTS.ACCOUNT_ID J:RAW.APP.ACCOUNTS.ID
--
create or replace table mart as
select e.* exclude (payload, kind), a.plan from events e inner join accounts a on a.id = e.account_id

--# name: unpivot in a cte
ID = RAW.APP.ACCOUNTS.ID
METRIC =
V = T:RAW.APP.ACCOUNTS.MRR RAW.APP.ACCOUNTS.MRR
--
with w as (select id, mrr, mrr * 12 as arr from accounts)
select * from w unpivot (v for metric in (mrr, arr))

--# name: hashed key
key = T:RAW.APP.ACCOUNTS.ID! T:RAW.APP.ACCOUNTS.NAME!
--
select md5(concat_ws('-', id::varchar, coalesce(name, ''))) as key from accounts

--# name: script that builds a mart through two temporary tables
writes: raw.app.mart
plan = RAW.APP.ACCOUNTS.PLAN
n =
rows = F:RAW.APP.EVENTS.KIND J:RAW.APP.EVENTS.ACCOUNT_ID J:RAW.APP.ACCOUNTS.ID G:RAW.APP.ACCOUNTS.PLAN
--
use schema raw.app;
create temp table clicks as select account_id from events where kind = 'click';
create temp table joined as select a.plan from clicks c join accounts a on a.id = c.account_id;
truncate table mart;
insert into mart (plan, n) select plan, count(*) from joined group by plan;

--# name: delete by a subquery
writes: events
status: partial
reason: statement:delete
rows = F:RAW.APP.EVENTS.ACCOUNT_ID F:RAW.APP.ACCOUNTS.ID F:RAW.APP.ACCOUNTS.PLAN
--
delete from events where account_id in (select id from accounts where plan = 'free')

--# name: ratio to report and conditional change
share = A:RAW.APP.ACCOUNTS.MRR W:RAW.APP.ACCOUNTS.PLAN
was = T:RAW.APP.ACCOUNTS.MRR W:RAW.APP.ACCOUNTS.PLAN W:RAW.APP.ACCOUNTS.CREATED
--
select ratio_to_report(mrr) over (partition by plan) as share, lag(mrr, 1, 0) over (partition by plan order by created) as was from accounts

--# name: try parse json and path
n = T:P.S.T1.B
--
select try_parse_json(b):name::string as n from t1

--# name: array_agg distinct within group
xs = A:P.S.T1.B S:P.S.T1.TS
rows = G:P.S.T1.ID
--
select array_agg(distinct b) within group (order by ts) as xs from t1 group by id

--# name: case-sensitive column in a join
d = P.S.T2.d
rows = J:P.S.T1.ID J:P.S.T2.ID
--
select t2."d" as d from t1 join t2 on t1.id = t2.id

--# name: conditional change and time slice
slice = T:P.S.T1.TS
delta = T:P.S.T1.A W:P.S.T1.ID W:P.S.T1.TS
--
select time_slice(ts, 5, 'MINUTE') as slice, a - lag(a) over (partition by id order by ts) as delta from t1

--# name: create table like that of a view over ctes
writes: p.s.final
id = P.S.T1.ID
c = A:P.S.T2.C
rows = J:P.S.T1.ID J:P.S.T2.ID G:P.S.T1.ID F:P.S.T2.C
--
create or replace view p.s.final copy grants as
with x as (select id from t1), y as (select id, c from t2 where c is not null)
select x.id, sum(y.c) as c from x left join y on x.id = y.id group by all

--# name: lateral alias used twice
net = T:DB.PUBLIC.ORDERS.AMOUNT T:DB.PUBLIC.ORDERS.DISCOUNT
vat = T:DB.PUBLIC.ORDERS.AMOUNT T:DB.PUBLIC.ORDERS.DISCOUNT
gross = T:DB.PUBLIC.ORDERS.AMOUNT T:DB.PUBLIC.ORDERS.DISCOUNT
--
select amount - discount as net, net * 0.2 as vat, net + vat as gross from orders

--# name: flatten of a path with recursive and mode
id = RAW.APP.EVENTS.ID
k = T:RAW.APP.EVENTS.PAYLOAD
--
select e.id, f.key as k from raw.app.events e, lateral flatten(input => e.payload:items, outer => true, mode => 'OBJECT') f

--# name: merge with a case and delete
writes: RAW.APP.ACCOUNTS
status: partial
reason: merge-keeps-other-values
plan = C:RAW.APP.EVENTS.KIND T:RAW.APP.EVENTS.KIND T:RAW.APP.ACCOUNTS.PLAN
rows = J:RAW.APP.ACCOUNTS.ID J:RAW.APP.EVENTS.ACCOUNT_ID F:RAW.APP.EVENTS.KIND
--
merge into raw.app.accounts a using raw.app.events e on a.id = e.account_id
when matched and e.kind = 'gone' then delete
when matched then update set a.plan = case when e.kind = 'up' then e.kind else a.plan end

--# name: multi table insert with conditions
writes: OUT1
output: OUT1
id = DB.PUBLIC.ORDERS.ID
rows = F:DB.PUBLIC.ORDERS.AMOUNT
--
insert first when amount > 10 then into out1 (id) values (id) else into out2 (id) values (id)
select id, amount from orders

--# name: qualify with a lateral alias of a window
id = DB.PUBLIC.ORDERS.ID
rn = W:DB.PUBLIC.ORDERS.CUSTOMER_ID W:DB.PUBLIC.ORDERS.DAY
rows = F:DB.PUBLIC.ORDERS.CUSTOMER_ID F:DB.PUBLIC.ORDERS.DAY
--
select id, row_number() over (partition by customer_id order by day) as rn from orders qualify rn = 1

--# name: pivot any is partial
status: partial
reason: pivot-values-unknown
REGION = DB.PUBLIC.SALES.REGION
rows = G:DB.PUBLIC.SALES.REGION
--
select * from sales pivot (sum(amount) for month in (any order by month))

--# name: javascript procedure is unknown
status: unknown
--
create or replace procedure p() returns string language javascript as $$ snowflake.execute({sqlText: "insert into t select 1"}); return "x"; $$

--# name: snowflake scripting with let and a cursor
writes: OUT
id = DB.PUBLIC.ORDERS.ID
rows = F:DB.PUBLIC.ORDERS.DAY
--
declare
  since date default '2026-01-01';
begin
  let n := 0;
  insert into out (id) select id from orders where day > :since;
  return n;
end

--# name: object aggregation and array aggregation with order
customer_id = DB.PUBLIC.ORDERS.CUSTOMER_ID
m = A:DB.PUBLIC.ORDERS.STATUS A:DB.PUBLIC.ORDERS.AMOUNT
l = A:DB.PUBLIC.ORDERS.ID S:DB.PUBLIC.ORDERS.DAY
rows = G:DB.PUBLIC.ORDERS.CUSTOMER_ID
--
select customer_id, object_agg(status, amount) as m, array_agg(id) within group (order by day) as l from orders group by 1

--# name: lambda transform and reduce
t = T:DB.PUBLIC.ORDERS.TAGS
f = T:DB.PUBLIC.ORDERS.TAGS T:DB.PUBLIC.ORDERS.STATUS
--
select transform(tags, x -> upper(x)) as t, filter(tags, x -> x <> status) as f from orders

--# name: asof join with a using
id = P.S.T1.ID
c = P.S.T2.C
rows = J:P.S.T1.ID J:P.S.T2.ID J:P.S.T1.A J:P.S.T2.C
--
select t1.id, t2.c from p.s.t1 asof join p.s.t2 match_condition (t1.a >= t2.c) on t1.id = t2.id

--# name: create table with a column list and a star
writes: P.S.NEW
x = P.S.T2.ID
y = P.S.T2.C
z = P.S.T2.d
--
create or replace transient table p.s.new (x, y, z) as select * from p.s.t2

--# name: flatten by position with a path and recursive
id = DB.PUBLIC.ORDERS.ID
k = T:DB.PUBLIC.ORDERS.DOC
i = T:DB.PUBLIC.ORDERS.DOC
--
select o.id, f.key as k, f.index as i from orders o, lateral flatten(input => o.doc, path => 'a.b', recursive => true) f

--# name: flatten filtered in the join
id = DB.PUBLIC.ORDERS.ID
t = T:DB.PUBLIC.ORDERS.TAGS
rows = F:DB.PUBLIC.ORDERS.TAGS
--
select o.id, value::string as t from orders o, table(flatten(o.tags)) where value <> 'x'

--# name: left join lateral flatten outer
name = RAW.APP.ACCOUNTS.NAME
v = T:RAW.APP.EVENTS.PAYLOAD
rows = J:RAW.APP.EVENTS.ACCOUNT_ID J:RAW.APP.ACCOUNTS.ID
--
select a.name, f.value:amount::number as v from raw.app.events e join raw.app.accounts a on a.id = e.account_id,
  lateral flatten(input => e.payload:items, outer => true) f

--# name: path into a variant with brackets and a cast
a = T:DB.PUBLIC.ORDERS.DOC
b = T:DB.PUBLIC.ORDERS.DOC
c = T:DB.PUBLIC.ORDERS.DOC
--
select doc:a.b[0]."C d"::string as a, doc['x']['y'] as b, get_path(doc, 'q.r') as c from orders

--# name: qualify with an alias and a where
id = DB.PUBLIC.ORDERS.ID
rn = W:DB.PUBLIC.ORDERS.CUSTOMER_ID W:DB.PUBLIC.ORDERS.DAY
rows = F:DB.PUBLIC.ORDERS.STATUS F:DB.PUBLIC.ORDERS.CUSTOMER_ID F:DB.PUBLIC.ORDERS.DAY
--
select id, row_number() over (partition by customer_id order by day desc) as rn from orders where status = 'x' qualify rn = 1

--# name: lateral alias used in where and group by
m = T:DB.PUBLIC.ORDERS.DAY
s = A:DB.PUBLIC.ORDERS.AMOUNT
rows = F:DB.PUBLIC.ORDERS.DAY G:DB.PUBLIC.ORDERS.DAY
--
select date_trunc('month', day) as m, sum(amount) as s from orders where m > '2026-01-01' group by m

--# name: an alias that a column hides in where
amount = T:DB.PUBLIC.ORDERS.DISCOUNT
id = DB.PUBLIC.ORDERS.ID
rows = F:DB.PUBLIC.ORDERS.AMOUNT
--
select discount * 2 as amount, id from orders where amount > 3

--# name: star exclude, rename and replace
ID = DB.PUBLIC.WIDE.ID
q1 = T:DB.PUBLIC.WIDE.Q1
second = DB.PUBLIC.WIDE.Q2
--
select * replace (q1 * 2 as q1) rename (q2 as second) from wide

--# name: star ilike
Q1 = DB.PUBLIC.WIDE.Q1
Q2 = DB.PUBLIC.WIDE.Q2
--
select * ilike 'Q%' from wide

--# name: pivot with a default and an alias list
region = DB.PUBLIC.SALES.REGION
jan = A:DB.PUBLIC.SALES.AMOUNT C:DB.PUBLIC.SALES.MONTH
rows = G:DB.PUBLIC.SALES.REGION
--
select p.region, p.jan from sales pivot (sum(amount) for month in ('jan', 'feb') default on null (0)) as p (region, jan, feb)

--# name: unpivot include nulls
ID = DB.PUBLIC.WIDE.ID
Q = 
V = DB.PUBLIC.WIDE.Q1 DB.PUBLIC.WIDE.Q2
--
select * from wide unpivot include nulls (v for q in (q1, q2))

--# name: insert overwrite with columns turned round
writes: customers
email = DB.PUBLIC.ORDERS.STATUS
id = DB.PUBLIC.ORDERS.CUSTOMER_ID
--
insert overwrite into customers (email, id) select status, customer_id from orders

--# name: insert first with conditions
writes: small
output: small
id = DB.PUBLIC.ORDERS.ID
rows = F:DB.PUBLIC.ORDERS.AMOUNT
--
insert first when amount > 10 then into big (id) values (id) else into small (id) values (id) select id, amount from orders

--# name: merge with three branches and a cte source
writes: raw.app.accounts
status: partial
reason: merge-keeps-other-values
plan = T:RAW.APP.EVENTS.PAYLOAD
name =
id = RAW.APP.EVENTS.ACCOUNT_ID
rows = J:RAW.APP.ACCOUNTS.ID J:RAW.APP.EVENTS.ACCOUNT_ID F:RAW.APP.EVENTS.KIND F:RAW.APP.EVENTS.PAYLOAD
--
merge into raw.app.accounts a
using (with e as (select account_id, payload:plan::string as plan, kind from raw.app.events) select * from e where kind <> 'x') s
on a.id = s.account_id
when matched and s.plan is null then delete
when matched then update set plan = s.plan, name = default
when not matched then insert (id, plan) values (s.account_id, s.plan)

--# name: update from two tables
writes: orders
status: partial
reason: update-keeps-other-values
status = DB.PUBLIC.CUSTOMERS.CITY
amount = T:DB.PUBLIC.ORDERS.AMOUNT T:DB.PUBLIC.WIDE.Q1
rows = F:DB.PUBLIC.ORDERS.CUSTOMER_ID F:DB.PUBLIC.CUSTOMERS.ID F:DB.PUBLIC.WIDE.ID
--
update orders o set o.status = c.city, o.amount = o.amount + w.q1 from customers c, wide w where o.customer_id = c.id and w.id = c.id

--# name: delete using a cte
writes: orders
status: partial
reason: statement:delete
rows = F:DB.PUBLIC.ORDERS.CUSTOMER_ID F:DB.PUBLIC.CUSTOMERS.ID F:DB.PUBLIC.CUSTOMERS.CITY
--
delete from orders using (select id from customers where city = 'x') c where c.id = orders.customer_id

--# name: ctas with types and a cluster key
writes: t9
a = DB.PUBLIC.ORDERS.ID
b = T:DB.PUBLIC.ORDERS.AMOUNT
--
create or replace table t9 (a number, b number) cluster by (a) as select id, amount + 1 from orders

--# name: clone at a time
writes: w2
ID = DB.PUBLIC.WIDE.ID
Q1 = DB.PUBLIC.WIDE.Q1
Q2 = DB.PUBLIC.WIDE.Q2
--
create table w2 clone wide at (offset => -3600)

--# name: create table like
writes: w3
status: unknown
reason: no-query
--
create table w3 like wide

--# name: copy with a transformation
writes: customers
id = @stage/f.csv.$1
name = T:@stage/f.csv.$2
--
copy into customers (id, name) from (select $1, upper(t.$2) from @stage/f.csv t)

--# name: copy out of a join
writes: @out/x
id = DB.PUBLIC.ORDERS.ID
name = DB.PUBLIC.CUSTOMERS.NAME
rows = J:DB.PUBLIC.ORDERS.CUSTOMER_ID J:DB.PUBLIC.CUSTOMERS.ID
--
copy into @out/x from (select o.id, c.name from orders o join customers c on c.id = o.customer_id) file_format = (type = parquet)

--# name: time travel before a statement
id = DB.PUBLIC.ORDERS.ID
rows = J:DB.PUBLIC.ORDERS.ID
--
select o.id from orders before (statement => 'x') o join orders p on p.id = o.id

--# name: changes clause
id = DB.PUBLIC.ORDERS.ID
--
select id from orders changes (information => default) at (timestamp => '2026-01-01'::timestamp)

--# name: higher-order functions
a = T:DB.PUBLIC.ORDERS.TAGS
b = T:DB.PUBLIC.ORDERS.TAGS T:DB.PUBLIC.ORDERS.AMOUNT
--
select transform(tags, x -> x || 'y') as a, filter(tags, x -> x > amount) as b from orders

--# name: lambda with a type
a = T:DB.PUBLIC.ORDERS.TAGS
--
select transform(tags, x int -> x + 1) as a from orders

--# name: identifier and dollar columns of values
a =
b =
--
select $1 as a, t.$2 as b from values (1, 'x') as t

--# name: table generator and sequence
n = 
--
select seq4() as n from table(generator(rowcount => 10))

--# name: result scan
status: unknown
reason: table-function:result_scan
x = ?
--
select "x" from table(result_scan(last_query_id()))

--# name: scripting block with a cursor and variables
writes: customers
id = DB.PUBLIC.ORDERS.CUSTOMER_ID
rows = F:DB.PUBLIC.ORDERS.AMOUNT
--
declare lim number default 3;
begin
  lim := 4;
  insert into customers (id) select customer_id from orders where amount > :lim;
  return 'done';
end

--# name: procedure in javascript cannot be read
status: unknown
reason: routine
--
create procedure p() returns string language javascript as $$ snowflake.execute({sqlText: "insert into t select 1"}); $$

--# name: task with a query
writes: t7
status: partial
reason: routine
id = DB.PUBLIC.ORDERS.ID
--
create task tk warehouse = w schedule = '1 minute' as insert into t7 (id) select id from orders

--# name: stream table read
id = DB.PUBLIC.ORDERS.ID
act = T:DB.PUBLIC.ORDERS.metadata$action
--
select id, metadata$action || '' as act from orders

--# name: quoted column of a quoted table
Id = DB.RAW.lower.Id
id = DB.RAW.lower.id
--
select "Id", "id" from db.raw."lower"

--# name: union of stars with a constant
ID = DB.PUBLIC.WIDE.ID DB.PUBLIC.CUSTOMERS.ID
Q1 = DB.PUBLIC.WIDE.Q1
Q2 = DB.PUBLIC.WIDE.Q2
src = 
--
select *, 'w' as src from wide union all select id, null, null, 'c' from customers

--# name: positional group by with listagg
city = DB.PUBLIC.CUSTOMERS.CITY
l = A:DB.PUBLIC.CUSTOMERS.NAME S:DB.PUBLIC.CUSTOMERS.ID
rows = G:DB.PUBLIC.CUSTOMERS.CITY
--
select city, listagg(distinct name, ',') within group (order by id) as l from customers group by 1

--# name: object keys and flatten joined back
k = T:RAW.APP.EVENTS.PAYLOAD
plan = RAW.APP.ACCOUNTS.PLAN
rows = F:RAW.APP.EVENTS.ACCOUNT_ID F:RAW.APP.ACCOUNTS.ID
--
select k.value::string as k, a.plan from raw.app.events e, table(flatten(object_keys(e.payload))) k, raw.app.accounts a where a.id = e.account_id

--# name: recursive view of accounts by connect
id = RAW.APP.ACCOUNTS.ID
rows = J:RAW.APP.ACCOUNTS.MRR J:RAW.APP.ACCOUNTS.ID
--
with recursive t (id) as (select id from raw.app.accounts union all select a.id from raw.app.accounts a join t on a.mrr = t.id) select id from t

--# name: merge with a deduplicated source by qualify
writes: raw.app.accounts
status: partial
reason: merge-keeps-other-values
plan = T:RAW.APP.EVENTS.PAYLOAD
rows = J:RAW.APP.ACCOUNTS.ID J:RAW.APP.EVENTS.ACCOUNT_ID F:RAW.APP.EVENTS.ACCOUNT_ID F:RAW.APP.EVENTS.TS
--
merge into raw.app.accounts t using (
  select account_id, payload:plan as plan from raw.app.events qualify row_number() over (partition by account_id order by ts desc) = 1
) s on t.id = s.account_id when matched then update set t.plan = s.plan

--# name: create table with a masking policy and a query
writes: t5
id = DB.PUBLIC.ORDERS.ID
--
create transient table if not exists t5 copy grants data_retention_time_in_days = 3 comment = 'x' as select id from orders

--# name: create external table
status: unknown
reason: no-query
writes: ext
--
create external table ext (id number as (value:c1::number)) location = @stage file_format = (type = parquet)

--# name: stream and task body with begin
writes: t6
status: partial
reason: routine
id = DB.PUBLIC.ORDERS.ID
--
create or replace task tk schedule = 'using cron 0 * * * * utc' as begin insert into t6 (id) select id from orders; end

--# name: select with a hash of a star and exclude
h = T:DB.PUBLIC.WIDE.ID! T:DB.PUBLIC.WIDE.Q1! T:DB.PUBLIC.WIDE.Q2!
--
select hash(*) as h from wide

--# name: nested object construct by path
o = T:DB.PUBLIC.ORDERS.ID T:DB.PUBLIC.ORDERS.DOC
--
select object_construct('id', id, 'd', doc:x.y) as o from orders

--# name: lateral subquery with an alias and a limit
id = DB.PUBLIC.CUSTOMERS.ID
last = DB.PUBLIC.ORDERS.AMOUNT
rows = F:DB.PUBLIC.ORDERS.CUSTOMER_ID F:DB.PUBLIC.CUSTOMERS.ID S:DB.PUBLIC.ORDERS.DAY
--
select c.id, l.amount as last from customers c, lateral (select o.amount from orders o where o.customer_id = c.id order by o.day desc limit 1) l

--# name: alias of an aggregate used in another item
t = A:DB.PUBLIC.ORDERS.AMOUNT
h = A:DB.PUBLIC.ORDERS.AMOUNT
--
select sum(amount) as t, t / 2 as h from orders

--# name: group by cube with an alias
s = T:DB.PUBLIC.ORDERS.STATUS
n = A:DB.PUBLIC.ORDERS.ID
rows = G:DB.PUBLIC.ORDERS.STATUS G:DB.PUBLIC.ORDERS.DAY
--
select upper(status) as s, count(id) as n from orders group by cube (s, day)

--# name: swap of tables
status: unknown
reason: statement:alter
--
alter table t1 swap with t2

--# name: insert all without conditions into named columns
writes: b
output: b
y = DB.PUBLIC.ORDERS.ID
x = T:DB.PUBLIC.ORDERS.AMOUNT
--
insert all into a (x) values (id) into b (y, x) values (id, amt) select id, amount + 1 as amt from orders

--# name: python procedure cannot be read
status: unknown
reason: routine
--
create procedure p() returns string language python runtime_version = '3.11' packages = ('snowflake-snowpark-python') handler = 'run' as $$
def run(session):
    return session.sql("insert into t select 1").collect()
$$

--# name: undrop and show say nothing
status: unknown
reason: statement:
--
undrop table t

--# name: nested flatten with this and path
k = T:RAW.APP.EVENTS.PAYLOAD
v = T:RAW.APP.EVENTS.PAYLOAD
--
select f.key as k, g.value:x::int as v from raw.app.events e, lateral flatten(e.payload:items) f, lateral flatten(f.value:parts) g

--# name: lateral alias chain with a window
a = T:DB.PUBLIC.ORDERS.AMOUNT
b = T:DB.PUBLIC.ORDERS.AMOUNT
c = A:DB.PUBLIC.ORDERS.AMOUNT W:DB.PUBLIC.ORDERS.DAY
--
select amount + 1 as a, a * 2 as b, sum(b) over (order by day) as c from orders

--# name: select with dollar references of a staged file pattern
a = T:@s/dir.$1
b = T:@s/dir.metadata$filename
--
select t.$1:x::string as a, metadata$filename || '' as b from @s/dir (file_format => 'f', pattern => '.*') t

--# name: merge with only an insert and a constant
writes: raw.app.accounts
status: partial
reason: merge-keeps-other-values
id = RAW.APP.EVENTS.ACCOUNT_ID
plan =
rows = J:RAW.APP.ACCOUNTS.ID J:RAW.APP.EVENTS.ACCOUNT_ID
--
merge into raw.app.accounts a using raw.app.events e on a.id = e.account_id when not matched then insert (id, plan) values (e.account_id, 'free')

--# name: create view as a union with select star exclude
writes: v
ID = DB.PUBLIC.WIDE.ID DB.PUBLIC.CUSTOMERS.ID
--
create or replace view v as select * exclude (q1, q2) from wide union all select id from customers

--# name: array construct and compact with agg
a = A:P.S.T1.A A:P.S.T1.B
rows = G:P.S.T1.ID
--
select array_agg(array_construct_compact(a, b)) as a from p.s.t1 group by id

--# name: regexp and split part
x = T:DB.PUBLIC.CUSTOMERS.EMAIL
y = T:DB.PUBLIC.CUSTOMERS.EMAIL
--
select regexp_substr(email, '@(.*)', 1, 1, 'e') as x, split_part(email, '@', 2) as y from customers

--# name: lateral split to table
id = DB.PUBLIC.CUSTOMERS.ID
w = T:DB.PUBLIC.CUSTOMERS.NAME
--
select c.id, s.value as w from customers c, lateral split_to_table(c.name, ' ') s

--# name: full outer join using with coalesce
id = T:P.S.T1.ID T:P.S.T2.ID
c = P.S.T2.C
rows = J:P.S.T1.ID J:P.S.T2.ID
--
select id, c from p.s.t1 full outer join p.s.t2 using (id)

--# name: range join and asof with a condition
a = P.S.T1.A
mrr = RAW.APP.ACCOUNTS.MRR
rows = J:P.S.T1.ID J:RAW.APP.ACCOUNTS.ID J:P.S.T1.TS J:RAW.APP.ACCOUNTS.CREATED
--
select t.a, x.mrr from p.s.t1 t asof join raw.app.accounts x match_condition (t.ts >= x.created) on t.id = x.id

--# name: update with a flatten in a subquery
writes: orders
status: partial
reason: update-keeps-other-values
status = A:DB.PUBLIC.ORDERS.DOC
--
update orders set status = (select max(f.value:s::string) from lateral flatten(input => orders.doc:items) f)

--# name: no schema, a given name in where and in a later item
schema: none
net = T:f.gross
twice = T:f.gross
rows = J:f.id J:g.id F:f.gross
--
select f.gross - 1 as net, net * 2 as twice from f join g on f.id = g.id where net > 0

--# name: a quoted spelling that the schema has not
high = A:DB.PUBLIC.SALES.AMOUNT
low = A:DB.PUBLIC.SALES.AMOUNT
rows = F:DB.PUBLIC.SALES.AMOUNT
--
select max(s."amount") as high, min(s."Amount") as low from sales s where s.amount > 0

--# name: a table by its name in a string
id = DB.PUBLIC.ORDERS.ID
city = DB.PUBLIC.CUSTOMERS.CITY
rows = J:DB.PUBLIC.ORDERS.CUSTOMER_ID J:DB.PUBLIC.CUSTOMERS.ID
--
select o.id, c.city from identifier('db.public.orders') o join table('customers') c on c.id = o.customer_id

--# name: written to a table by its name in a string
writes: db.out.days
day = DB.PUBLIC.ORDERS.DAY
--
insert into identifier('db.out.days') (day) select day from orders

--# name: a table that a variable names
status: unknown
reason: dynamic-table
id = ?
--
select id from identifier($which)

--# name: rows of a table that a binding names
status: unknown
reason: dynamic-table
id = ?
--
select id from table(?)

--# name: written to a table that a variable names
status: partial
reason: dynamic-table
day = DB.PUBLIC.ORDERS.DAY
--
insert into identifier(:target) select day from orders

--# name: no schema, flatten of a column without a table
schema: none
id = BOXES.id
sku = T:BOXES.items
n = T:BOXES.items
--
select id, f.value:sku::string as sku, index as n from BOXES, lateral flatten(input => items) f

--# name: no schema, flatten as a table without a name
schema: none
id = BOXES.id
value = T:BOXES.items
--
select id, value from BOXES, table(flatten(items))

--# name: no schema, flatten in a subquery
schema: none
id = BOXES.id
rows = F:BOXES.labels
--
select id from BOXES where 'red' in (select value from table(flatten(input => labels)))

--# name: a semantic view
region = SALES_VIEW.region
month = T:SALES_VIEW.sold
revenue = SALES_VIEW.total
schema: none
rows = F:SALES_VIEW.year S:SALES_VIEW.sold F:SALES_VIEW.total
--
select * from semantic_view(SALES_VIEW dimensions customers.region, date_trunc('month', sold) as month metrics orders.total as revenue where year > 2020)
where revenue > 0 order by month

--# name: swapped with what was made
writes: P.S.T1
id = P.S.T2.ID
a = P.S.T2.C
--
create or replace table P.S.NEXT as select id, c as a from T2;
alter table P.S.T1 swap with P.S.NEXT;
drop table P.S.NEXT

--# name: no schema, a pivot of a query by values nobody knows
schema: none
status: unknown
reason: pivot-values-unknown
* = ?
--
select * from (select k, q, v from T) pivot (sum(v) for q in (any))

--# name: a statement in a string, with strings
writes: target
id = DB.PUBLIC.ORDERS.ID
word = T:DB.PUBLIC.ORDERS.STATUS
rows = F:DB.PUBLIC.ORDERS.STATUS
--
execute immediate 'insert into target (id, word) select «id»id, «word»coalesce(status, ''none'') from orders where status <> ''old'''

--# name: a column with the name of its table
schema: none
status = far.status.status
loud = T:far.status.status
rows = F:far.status.status
--
select «status»status, upper(status) as loud from far.status where status <> 'x'

--# name: how deep a row is
status: partial
reason: connect-by
ID = DB.PUBLIC.ORDERS.ID
level =
twice =
rows = F:DB.PUBLIC.ORDERS.CUSTOMER_ID F:DB.PUBLIC.ORDERS.ID F:DB.PUBLIC.ORDERS.STATUS
--
select id as ID, level, level * 2 as twice from orders start with status = 'root' connect by prior id = customer_id and level < 5
