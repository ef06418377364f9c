--# tables: orders(id INTEGER, customer_id INTEGER, amount DOUBLE, discount DOUBLE, status VARCHAR, day DATE, tags VARCHAR[], detail STRUCT(sku VARCHAR, size STRUCT(w INTEGER, h INTEGER)))
--# tables: customers(id INTEGER, name VARCHAR, email VARCHAR, city VARCHAR)
--# tables: rates(day DATE, city VARCHAR, rate DOUBLE)
--# tables: sales(region VARCHAR, quarter VARCHAR, amount INTEGER)
--# tables: wide(id INTEGER, q1 INTEGER, q2 INTEGER, q3 INTEGER)
--# tables: trips(trip_id BIGINT, rider BIGINT, driver BIGINT, started TIMESTAMP, ended TIMESTAMP, fare DECIMAL(9,2), tip DECIMAL(9,2), zone VARCHAR, stops STRUCT(name VARCHAR, at TIMESTAMP)[], meta MAP(VARCHAR, VARCHAR))
--# tables: riders(rider BIGINT, born DATE, phone VARCHAR, home VARCHAR)
--# tables: zones(zone VARCHAR, borough VARCHAR, surge DOUBLE)
--# tables: a(id INTEGER, x INTEGER, y VARCHAR, z DATE)
--# tables: b(id INTEGER, x INTEGER, w DOUBLE)
--# tables: c(id INTEGER, v VARCHAR)

--# name: statements around that say nothing of columns
writes: other.kept
id = orders.id
--
install httpfs;
load httpfs;
attach 'other.db' as other;
use other;
create table kept as select id from orders;
detach other

--# name: plain columns
id = orders.id
total = T:orders.amount T:orders.discount
--
select «id»id, «total»amount - discount as total
from orders

--# name: star of one table
id = customers.id
name = customers.name
email = customers.email
city = customers.city
--
select «id,name,email,city»* from customers

--# name: star of a table without schema
schema: none
status: unknown
reason: star-unresolved
* = ?
--
select * from nowhere

--# name: two stars and a join
id = orders.id customers.id
customer_id = orders.customer_id
amount = orders.amount
discount = orders.discount
status = orders.status
day = orders.day
tags = orders.tags
detail = orders.detail
name = customers.name
email = customers.email
city = customers.city
rows = J:orders.customer_id J:customers.id
--
select o.*, c.*
from orders o join customers c on c.id = o.customer_id

--# name: star exclude replace rename
customer = orders.customer_id
amount = T:orders.amount
day = orders.day
--
select * exclude (id, discount, status, tags, detail) replace (round(amount) as amount) rename (customer_id as customer)
from orders

--# name: cte chain
city = customers.city
spent = A:orders.amount
n =
rows = J:orders.customer_id J:customers.id F:orders.status G:customers.city
--
with paid as (
  select customer_id, amount from orders where status = 'paid'
), placed as (
  select «city»c.city, p.amount
  from paid p join customers c on c.id = p.customer_id
)
select city, «spent»sum(amount) as spent, «n»count(*) as n
from placed
group by city

--# name: position is where the value is made
spent = A:orders.amount
rows = G:orders.customer_id
--
with a as (
  select customer_id,
         «spent»sum(amount) as spent
  from orders group by customer_id
)
select spent from a

--# name: cte before insert
writes: target
a = orders.id
b = T:orders.amount
--
with c as (select «a»id, amount from orders)
insert into target (a, b) select id, «b»amount * 2 from c

--# name: insert without a column list takes the table's names
writes: rates
day = orders.day
city =
rate = T:orders.discount
--
insert into rates select day, 'x', discount / 100 from orders

--# name: insert by name
writes: rates
rate = orders.amount
city = orders.status
--
insert into rates by name select amount as rate, status as city from orders

--# name: insert values
writes: customers
--
insert into customers values (1, 'a', 'b', 'c')

--# name: insert or replace
writes: customers
id = orders.customer_id
city = orders.status
--
insert or replace into customers (id, city) select customer_id, status from orders

--# name: on conflict updates from the new row
writes: customers
id = orders.customer_id
city = orders.status T:orders.status
--
insert into customers (id, city) select customer_id, status from orders
on conflict (id) do update set city = upper(excluded.city)

--# name: ctas
writes: out
id = orders.id
--
create table out as select id from orders

--# name: create or replace view with column names
writes: v
a = orders.id
b = A:orders.amount
rows = G:orders.id
--
create or replace view v (a, b) as select id, max(amount) from orders group by 1

--# name: create macro is no lineage
status: unknown
reason: no-query
--
create macro plus_one(x) as x + 1

--# name: update from another table
writes: orders
status: partial
reason: update-keeps-other-values
amount = T:orders.amount T:rates.rate
rows = F:orders.day F:rates.day
--
update orders set amount = orders.amount * r.rate from rates r where r.day = orders.day

--# name: delete says what it was decided by
writes: orders
status: partial
reason: statement:delete
rows = F:orders.customer_id F:customers.id F:customers.city
--
delete from orders where customer_id in (select id from customers where city = 'x')

--# name: merge
writes: customers
status: partial
reason: merge-keeps-other-values
city = T:orders.status
id = orders.customer_id
rows = J:customers.id J:orders.customer_id F:orders.amount
--
merge into customers c using orders o on c.id = o.customer_id
when matched and o.amount > 3 then update set city = lower(o.status)
when not matched then insert (id, city) values (o.customer_id, upper(o.status))

--# name: recursive cte
id = orders.id
depth = 
rows = J:orders.customer_id J:orders.id F:orders.status
--
with recursive tree as (
  select «id»id, 0 as depth from orders where status = 'root'
  union all
  select o.id, t.depth + 1 from orders o join tree t on o.customer_id = t.id
)
select id, depth from tree

--# name: recursive cte that carries a value along
path = T:customers.name customers.name
rows = J:customers.id
--
with recursive r(id, path) as (
  select id, name from customers
  union all
  select c.id, r.path || '/' || c.name from customers c join r on c.id = r.id
)
select path from r

--# name: recursive cte of numbers
i =
rows = 
--
with recursive n(i) as (select 1 union all select i + 1 from n where i < 9)
select i from n

--# name: lateral alias
net = T:orders.amount T:orders.discount
taxed = T:orders.amount T:orders.discount
--
select «net»amount - discount as net, «taxed»net * 1.2 as taxed from orders

--# name: lateral alias in where
net = T:orders.amount
rows = F:orders.amount
--
select amount * 2 as net from orders where net > 3

--# name: a column wins over an alias of the same name
amount = T:orders.amount
twice = T:orders.amount
--
select round(amount) as amount, amount * 2 as twice from orders

--# name: union all by position
x = orders.id customers.id
--
select «x»id as x from orders union all select id from customers

--# name: union by name
a = orders.id customers.id
b = customers.name
--
select id as a from orders union all by name select name as b, id as a from customers

--# name: except keeps the left values
id = orders.customer_id
rows = F:customers.id
--
select customer_id as id from orders except select id from customers

--# name: intersect
id = orders.customer_id
rows = F:customers.id
--
select customer_id as id from orders intersect select id from customers

--# name: running total
running = A:orders.amount W:orders.customer_id W:orders.day
--
select «running»sum(amount) over (partition by customer_id order by day rows between 6 preceding and current row) as running from orders

--# name: lag picks a value
before = T:orders.amount W:orders.customer_id W:orders.day
--
select lag(amount) over (partition by customer_id order by day) as before from orders

--# name: row number has no value source
rank = W:orders.customer_id W:orders.day
--
select row_number() over (partition by customer_id order by day desc) as rank from orders

--# name: qualify
id = orders.id
rows = F:orders.customer_id F:orders.day
--
select id from orders qualify row_number() over (partition by customer_id order by day desc) = 1

--# name: qualify by alias
id = orders.id
rank = W:orders.customer_id W:orders.day
rows = F:orders.customer_id F:orders.day
--
select id, row_number() over (partition by customer_id order by day) as rank from orders qualify rank = 1

--# name: named window
total = A:orders.amount W:orders.customer_id
--
select sum(amount) over w as total from orders window w as (partition by customer_id)

--# name: struct field
sku = T:orders.detail
w = T:orders.detail
--
select «sku»detail.sku, «w»detail.size.w as w from orders

--# name: struct field with table name
sku = T:orders.detail
--
select o.detail.sku as sku from orders o

--# name: struct built and taken apart
x = T:orders.amount
--
select s.a as x from (select {'a': amount, 'b': day} as s from orders)

--# name: unnest in the select list
id = orders.id
tag = T:orders.tags
--
select id, unnest(tags) as tag from orders

--# name: unnest in from
id = orders.id
tag = T:orders.tags
--
select o.id, «tag»t.tag from orders o, unnest(o.tags) as t(tag)

--# name: list comprehension and lambda
x = T:orders.tags
y = T:orders.tags T:orders.status
--
select list_transform(tags, t -> upper(t)) as x, list_filter(tags, t -> t = status) as y from orders

--# name: pivot with values
region = sales.region
q1 = A:sales.amount C:sales.quarter
q2 = A:sales.amount C:sales.quarter
rows = G:sales.region
--
select * from sales pivot (sum(amount) for quarter in ('q1', 'q2'))

--# name: pivot statement without values is partial
status: partial
reason: pivot
region = sales.region
rows = G:sales.region
--
pivot sales on quarter using sum(amount) group by region

--# name: pivot statement with values
region = sales.region
q1 = A:sales.amount C:sales.quarter
rows = G:sales.region
--
pivot sales on quarter in ('q1') using sum(amount) group by region

--# name: unpivot statement
id = wide.id
quarter =
v = wide.q1 wide.q2 wide.q3
--
unpivot wide on q1, q2, q3 into name quarter value v

--# name: unpivot in from
id = wide.id
q3 = wide.q3
quarter =
v = wide.q1 wide.q2
--
select * from wide unpivot (v for quarter in (q1, q2))

--# name: correlated scalar subquery
id = orders.id
rate = A:rates.rate F:rates.day F:orders.day
--
select o.id, (select max(r.rate) from rates r where r.day <= o.day) as rate from orders o

--# name: exists
id = orders.id
rows = F:customers.id F:orders.customer_id
--
select id from orders o where exists (select 1 from customers c where c.id = o.customer_id)

--# name: not in
id = orders.id
rows = F:orders.customer_id F:customers.id F:customers.city
--
select id from orders where customer_id not in (select id from customers where city is null)

--# name: join using
customer = T:orders.day T:rates.day
rate = rates.rate
rows = J:orders.day J:rates.day
--
select «customer»day as customer, «rate»rate from orders join rates using (day)

--# name: natural join
day = T:orders.day T:rates.day
rate = rates.rate
amount = orders.amount
rows = J:orders.day J:rates.day
--
select day, rate, amount from orders natural join rates

--# name: asof join
id = orders.id
rate = rates.rate
rows = J:orders.day J:rates.day
--
select o.id, r.rate from orders o asof join rates r on o.day >= r.day

--# name: positional join
id = orders.id
name = customers.name
--
select o.id, c.name from orders o positional join customers c

--# name: semi join
id = orders.id
rows = J:orders.customer_id J:customers.id
--
select o.id from orders o semi join customers c on c.id = o.customer_id

--# name: from first
id = orders.id
amount = orders.amount
rows = F:orders.day
--
from orders select id, amount where day > date '2026-01-01'

--# name: from without select
id = customers.id
name = customers.name
email = customers.email
city = customers.city
--
from customers

--# name: group by all, order by all
city = customers.city
n = A:customers.id
rows = G:customers.city S:customers.city S:customers.id
--
select city, count(distinct id) as n from customers group by all order by all

--# name: grouping sets
city = customers.city
name = customers.name
n =
rows = G:customers.city G:customers.name
--
select city, name, count(*) as n from customers group by grouping sets ((city), (city, name))

--# name: filtered aggregate
paid = A:orders.amount F:orders.status
--
select sum(amount) filter (where status = 'paid') as paid from orders

--# name: ordered aggregate
first = A:orders.amount S:orders.day
--
select list(amount order by day) as first from orders

--# name: arg_max
last = A:orders.amount S:orders.day
--
select arg_max(amount, day) as last from orders

--# name: case condition
label = T:orders.discount C:orders.status C:orders.amount
--
select case when status = 'x' then discount when amount > 3 then discount + 1 end as label from orders

--# name: simple case
label = T:customers.name C:customers.city
--
select case city when 'x' then name end as label from customers

--# name: coalesce and nullif
a = T:orders.amount T:orders.discount
b = T:orders.amount C:orders.discount
--
select coalesce(amount, discount) as a, nullif(amount, discount) as b from orders

--# name: a masking function
h = T:customers.email!
--
select md5(email) as h from customers

--# name: a whole row
j = T:customers.id T:customers.name T:customers.email T:customers.city
--
select to_json(c) as j from customers c

--# name: columns expression
id = orders.id
customer_id = orders.customer_id
--
select columns('.*id$') from orders

--# name: minimum of all columns
id = A:wide.id
q1 = A:wide.q1
q2 = A:wide.q2
q3 = A:wide.q3
--
select min(columns(*)) from wide

--# name: files
id = data.parquet.id
--
select id from 'data.parquet'

--# name: read_csv
id = data/x.csv.id
--
select id from read_csv('data/x.csv')

--# name: copy a query to a file
writes: out.parquet
id = orders.id
rows = F:orders.amount
--
copy (select id from orders where amount > 3) to 'out.parquet'

--# name: temp table in a script
writes: out
city = customers.city
spent = A:orders.amount
rows = J:orders.customer_id J:customers.id F:orders.status G:customers.city
--
create temp table paid as select customer_id, amount from orders where status = 'paid';
create table out as
select c.city, sum(p.amount) as spent
from paid p join customers c on c.id = p.customer_id
group by c.city;

--# name: temp view with a star in a script
writes: out
id = customers.id
name = customers.name
email = customers.email
city = customers.city
--
create temp view everyone as select * from customers;
insert into out select * from everyone

--# name: quoted names keep their case
Id = orders.id
Total Amount = orders.amount
--
select id as "Id", amount as "Total Amount" from orders

--# name: columns of an ambiguous name without schema
schema: none
status: partial
reason: ambiguous-column:b
a = x.a
b = ?
rows = J:x.k J:y.k
--
select x.a, b from x join y on x.k = y.k

--# name: not parsed
status: unknown
reason: not-parsed
--
selec id frm orders

--# name: values
a = 
b =
--
select a, b from (values (1, 2), (3, 4)) as v(a, b)

--# name: table function
i =
--
select i from range(10) t(i)

--# name: cross join lateral
id = orders.id
top = A:rates.rate
rows = F:rates.city F:orders.status
--
select o.id, x.top from orders o cross join lateral (select max(r.rate) as top from rates r where r.city = o.status) x

--# name: sample and limit
id = orders.id
rows = S:orders.day
--
select id from orders using sample 10% order by day limit 5

--# name: nested aggregation over a join of aggregates
city = customers.city
avg_spent = A:orders.amount
rows = G:orders.customer_id J:customers.id J:orders.customer_id G:customers.city F:orders.amount
--
select c.city, avg(s.total) as avg_spent
from customers c
left join (select customer_id, sum(amount) as total from orders group by customer_id having sum(amount) > 10) s on s.customer_id = c.id
group by c.city

--# name: string formatting
line = T:customers.name T:customers.city
--
select name || ' (' || city || ')' as line from customers

--# name: unnamed output
count_star() =
--
select count(*) as "count_star()" from orders

--# name: staged model with flags
trip_id = trips.trip_id
minutes = T:trips.ended T:trips.started
is_long = C:trips.fare
borough = zones.borough
rows = J:trips.zone J:zones.zone F:trips.fare
--
with src as (select * from trips where fare >= 0),
named as (select s.*, z.borough from src s left join zones z on z.zone = s.zone)
select trip_id, date_diff('minute', started, ended) as minutes, case when fare > 50 then 1 else 0 end as is_long, borough from named

--# name: rolling ratio of two windows
ratio = A:trips.tip A:trips.fare W:trips.driver W:trips.started
--
select sum(tip) over w / nullif(sum(fare) over w, 0) as ratio
from trips window w as (partition by driver order by started rows between 9 preceding and current row)

--# name: first ride by rider
rider = trips.rider
first_zone = A:trips.zone S:trips.started
rows = G:trips.rider
--
select rider, first(zone order by started) as first_zone from trips group by rider

--# name: unnest a list of structs in a subquery
trip_id = trips.trip_id
stop = T:trips.stops
rows = F:trips.stops
--
select trip_id, s.name as stop from (select trip_id, unnest(stops) as s from trips) where s.at is not null

--# name: anti join by not exists and a union
rider = riders.rider trips.rider
rows = F:trips.rider F:riders.rider F:trips.fare
--
select r.rider from riders r where not exists (select 1 from trips t where t.rider = r.rider)
union all
select rider from trips where fare = 0

--# name: a window over a joined aggregate
borough = zones.borough
share = A:trips.fare
rows = J:trips.zone J:zones.zone G:zones.borough
--
select z.borough, sum(t.fare) / sum(sum(t.fare)) over () as share from trips t join zones z using (zone) group by z.borough

--# name: replace in star of a cte
trip_id = trips.trip_id
fare = T:trips.fare T:zones.surge
zone = trips.zone
rows = J:trips.zone J:zones.zone
--
with x as (select trip_id, fare, t.zone, surge from trips t join zones z on t.zone = z.zone)
select * exclude (surge) replace (fare * surge as fare) from x

--# name: summary with rollup and grouping
borough = zones.borough
zone = zones.zone
g = A:zones.borough
rows = G:zones.borough G:zones.zone
--
select borough, zone, grouping(borough) as g from zones group by rollup (borough, zone)

--# name: map access and coalesce chain
src = T:trips.meta
who = T:trips.rider T:trips.driver
--
select coalesce(meta['source'], meta['origin'], 'app') as src, coalesce(rider, driver, -1) as who from trips

--# name: insert from a values join
writes: zones
zone = zones.zone
borough =
surge = T:zones.surge
rows = J:zones.zone
--
insert into zones (zone, borough, surge)
select z.zone, v.b, z.surge * 2 from zones z join (values ('a', 'x'), ('b', 'y')) v(k, b) on v.k = z.zone

--# name: no schema, qualified join
schema: none
p = t1.p
q = T:t2.q
rows = J:t1.k J:t2.k
--
select t1.p, upper(t2.q) as q from t1 left join t2 on t1.k = t2.k

--# name: no schema, star of a subquery with names
schema: none
m = t.m
n = T:t.n
rows = F:t.o
--
select * from (select m, n + 1 as n from t where o > 2) s

--# name: no schema, insert star
schema: none
writes: tgt
status: unknown
reason: star-unresolved
* = ?
--
insert into tgt select * from src

--# name: three way union of ctes with a constant
id = a.id b.id c.id
kind =
--
with u as (select id, 'a' as kind from a union all select id, 'b' from b union all select id, 'c' from c) select id, kind from u

--# name: join of three with mixed using
id = T:a.id T:b.id T:c.id
w = b.w
v = c.v
rows = J:a.id J:b.id J:c.id
--
select id, w, v from a join b using (id) join c using (id)

--# name: derived table in parentheses with a join inside
x = a.x
w = b.w
rows = J:a.id J:b.id
--
select x, w from (select a.x, b.w from (a join b on a.id = b.id)) q

--# name: alias shadows a column in group by
y = T:a.y
n =
rows = G:a.y
--
select lower(y) as y, count(*) as n from a group by lower(y)

--# name: nested case with subquery
r = T:a.x A:b.w C:a.y F:b.id F:a.id
--
select case when y = 'k' then x + 1 else (select max(w) from b where b.id = a.id) end as r from a

--# name: window in order by
id = a.id
rows = S:a.x S:a.y
--
select id from a order by row_number() over (partition by y order by x)

--# name: between with subqueries
id = a.id
rows = F:a.x F:b.x
--
select id from a where x between (select min(x) from b) and (select max(x) from b)

--# name: cte used twice
p = a.x
q = a.x
rows = J:a.id
--
with t as (select id, x from a) select t1.x as p, t2.x as q from t t1 join t t2 on t1.id = t2.id

--# name: cross join and filter
s = T:a.x T:b.w
rows = F:a.id F:b.id
--
select a.x * b.w as s from a cross join b where a.id = b.id

--# name: create table as union
writes: o
id = a.id b.id
--
create table o as (select id from a) union (select id from b)

--# name: aggregate distinct on expression
n = A:a.x A:a.y
--
select count(distinct x || y) as n from a

--# name: values with expressions from a lateral join
id = a.id
k =
v = a.x b.x
rows = J:a.id J:b.id
--
select a.id, t.k, t.v from a join b on a.id = b.id, lateral (values ('a', a.x), ('b', b.x)) as t(k, v)

--# name: from first insert by position
writes: out
id = orders.id
amount = orders.amount
rows = F:orders.status
--
insert into out from orders select id, amount where status = 'x'

--# name: unpivot with a columns lambda
id = wide.id
name = 
value = wide.q1 wide.q2 wide.q3
--
unpivot wide on columns(* exclude (id))

--# name: pivot on an expression with group by
region = sales.region
status: partial
rows = G:sales.region
--
pivot sales on quarter using sum(amount), count(*) group by region

--# name: list comprehension over a struct list
names = T:trips.stops
--
select [s.name for s in stops if s.at is not null] as names from trips

--# name: lateral join unnest of a subquery
trip_id = trips.trip_id
n = T:trips.stops
--
select t.trip_id, u.s.name as n from trips t, lateral (select unnest(t.stops) as s) u

--# name: lateral column alias and group by all
day = T:orders.day
net = A:orders.amount A:orders.discount
rows = G:orders.day
--
select date_trunc('month', day) as day, sum(amount - discount) as net from orders group by all

--# name: recursive with using key
id = orders.id
n =
rows = J:orders.customer_id J:orders.id F:orders.status
--
with recursive r(id, n) using key (id) as (
  select id, 1 from orders where status = 'root'
  union all
  select o.id, r.n + 1 from orders o join r on o.customer_id = r.id
) select id, n from r

--# name: upsert by name
writes: a
id = b.id
x = b.x T:b.x T:a.x
--
insert into a by name select id, x from b on conflict (id) do update set x = greatest(a.x, excluded.x)

--# name: struct pack and unpack star
w = T:orders.detail
sku = T:orders.detail
rows = F:orders.amount
--
select s.w, s.sku from (select {'w': detail.size.w, 'sku': upper(detail.sku), 'x': amount} as s, amount from orders) where amount > 3

--# name: window with filter and exclude and a named frame
r = A:trips.fare F:trips.tip W:trips.rider W:trips.started
--
select avg(fare) filter (where tip > 0) over (partition by rider order by started rows between 3 preceding and current row exclude current row) as r from trips

--# name: two correlated lateral steps
trip_id = trips.trip_id
x = T:trips.fare T:zones.surge
rows = J:zones.zone J:trips.zone
--
select t.trip_id, b.x from trips t join zones z on z.zone = t.zone, lateral (select t.fare * 2 as f) a, lateral (select a.f * z.surge as x) b

--# name: anti join and intersect all with replace
id = customers.id
name = T:customers.name
email = customers.email
city = customers.city
rows = J:customers.id J:orders.customer_id
--
select * replace (trim(name) as name) from customers anti join orders on customers.id = orders.customer_id

--# name: natural join of two common columns
id = T:a.id T:b.id
w = b.w
y = a.y
rows = J:a.id J:b.id J:a.x J:b.x
--
select id, w, «y»y from a natural join b

--# name: star over using puts the shared column first
id = T:a.id T:c.id
x = a.x
y = a.y
z = a.z
v = c.v
rows = J:a.id J:c.id
--
select * from a join c using (id)

--# name: union by name where each side lacks a column
id = a.id b.id
x = a.x
w = b.w
--
select id, x from a union all by name select w, id from b

--# name: except all, ordered
id = a.id
rows = F:b.id S:a.id
--
select id from a except all select id from b order by id

--# name: recursive cte that collects a path
id = a.id b.id
path = T:a.x T:b.x
rows = J:b.id J:a.id
--
with recursive t(id, path) as (
  select id, [x] from a union all select b.id, list_append(t.path, b.x) from t join b on b.id = t.id + 1)
select id, path from t

--# name: pivot statement in from with two aggregates
rider = trips.rider
a_f = A:trips.fare C:trips.zone
a_n = C:trips.zone
b_f = A:trips.fare C:trips.zone
b_n = C:trips.zone
rows = G:trips.rider
--
select * from (pivot trips on zone in ('a', 'b') using sum(fare) as f, count(*) as n group by rider)

--# name: star of a struct column
sku = T:orders.detail
size = T:orders.detail
--
select detail.* from orders

--# name: ordered-set aggregates and mode
q = A:trips.fare
m = A:trips.zone
s = A:trips.fare F:trips.tip
--
select quantile_cont(fare, 0.5) as q, mode() within group (order by zone) as m, sum(fare) filter (where tip > 0) as s from trips

--# name: an alias that a column of the table hides
y = T:a.x
t = T:a.y
--
select x + 1 as y, y || 'a' as t from a

--# name: having and order by an alias of an aggregate
k = a.x
n =
rows = G:a.x
--
select x as k, count(*) as n from a group by k having n > 1 order by n desc

--# name: group by position of an expression
m = T:orders.day
s = A:orders.amount
rows = G:orders.day S:orders.amount
--
select date_trunc('month', day) as m, sum(amount) as s from orders group by 1 order by 2

--# name: join to values
a =
name = customers.name
rows = J:customers.id
--
select t.a, c.name from (values (1, 'x'), (2, 'y')) as t(a, b) join customers c on c.id = t.a

--# name: left join lateral over unnest in a select
id = orders.id
tag = T:orders.tags
--
select o.id, u.tag from orders o left join lateral (select unnest(o.tags) as tag) u on true

--# name: a window that builds on a named one
s = A:orders.amount W:orders.customer_id W:orders.day
m = A:orders.amount W:orders.customer_id W:orders.day
--
select sum(amount) over (w rows between 1 preceding and current row) as s, avg(amount) over w as m
from orders window w as (partition by customer_id order by day)

--# name: insert by position into other names
writes: c
v = a.id
id = a.y
--
insert into c (v, id) select id, y from a

--# name: insert without a list, with a constant
writes: b
id = a.id
x = T:a.x
w =
--
insert into b select id, x + 1, 1.5 from a

--# name: update from another table with a constant
writes: a
status: partial
reason: update-keeps-other-values
x = T:b.w
y =
rows = F:a.id F:b.id F:b.w
--
update a set x = b.w * 2, y = 'k' from b where a.id = b.id and b.w > 1

--# name: delete using another table
writes: a
status: partial
reason: statement:delete
rows = F:a.id F:b.id
--
delete from a using b where a.id = b.id

--# name: merge with four branches
writes: a
status: partial
reason: merge-keeps-other-values
x = T:b.x T:a.x b.x
y =
id = b.id
rows = J:a.id J:b.id F:b.w
--
merge into a using b on a.id = b.id
when matched and b.w < 0 then delete
when matched then update set x = b.x + a.x
when not matched by source then update set y = 'gone'
when not matched then insert (id, x) values (b.id, b.x)

--# name: script with a temp table read by a ctas
writes: out1
x = a.x
w = b.w
rows = J:a.id J:b.id
--
create temp table t as select id, x from a;
create table out1 as select t.x, b.w from t join b on b.id = t.id;

--# name: from-first ctas with exclude
writes: copy_of
id = a.id
x = a.x
y = a.y
rows = F:a.x
--
create or replace table copy_of as from a select * exclude (z) where x > 0

--# name: lambda that sees a column of the row
r = T:orders.tags T:orders.status
--
select list_reduce(list_transform(tags, t -> t || status), (p, q) -> p || q) as r from orders

--# name: lambda keyword syntax
r = T:orders.tags T:orders.amount
--
select list_filter(tags, lambda t : length(t) > amount) as r from orders

--# name: maps
k = T:trips.meta
ks = T:trips.meta
n = T:trips.meta
--
select meta['k'] as k, map_keys(meta) as ks, cardinality(meta) as n from trips

--# name: case with exists and a value
id = a.id
f = T:a.y F:b.id F:a.id F:b.w
--
select id, case when exists (select 1 from b where b.id = a.id and b.w > 2) then y else 'n' end as f from a

--# name: share of a total
share = T:orders.amount A:orders.amount
--
select amount / (select sum(amount) from orders) as share from orders

--# name: series that depends on a column
id = a.id
n = T:a.x
--
select a.id, g.n from a, generate_series(1, a.x) as g(n)

--# name: materialized cte and replace
id = a.id
x = T:a.x
y = a.y
z = a.z
rn =
--
with t as materialized (select * from a) select t.* replace (x * 2 as x), row_number() over () as rn from t

--# name: comments inside a select list
My X = a.x
y = a.y
--
select /* id */ «My X»"x" as "My X", -- y
  «y»y from a

--# name: if, between and try_cast
v = T:a.y C:a.x
n = T:a.y
bt = T:a.x
--
select if(x > 1, y, null) as v, try_cast(y as int) as n, x between 1 and 3 as bt from a

--# name: sample and an in-subquery
id = a.id
rows = F:a.x F:b.x
--
select id from a tablesample 10% where x in (select x from b)

--# name: grouping sets with an empty set
s = A:a.x
rows = G:a.y G:a.z
--
select sum(x) as s from a group by grouping sets ((y), (z), ())

--# name: view with names over a union
writes: v
p = a.x b.x
q = a.y
--
create view v(p, q) as select x, y from a union select x, null from b

--# name: copy of an expression to parquet
writes: o.parquet
id = a.id
dbl = T:a.x
--
copy (select id, x * 2 as dbl from a) to 'o.parquet' (format parquet)

--# name: values cte joined by comma
p =
x = a.x
rows = F:a.id
--
with t(p, q) as (values (1, 2)) select p, x from t, a where a.id = q

--# name: stars of two sides without the doubles
id = a.id
x = a.x
y = a.y
z = a.z
w = b.w
rows = J:a.id J:b.id
--
select a.*, b.* exclude (id, x) from a left join b on a.id = b.id

--# name: create table like another is a copy of nothing
writes: t2
status: unknown
reason: no-query
--
create table t2 (id integer, x integer)

--# name: chained method calls
u = T:a.y
n = T:orders.tags
rows = J:a.id J:orders.id
--
select a.y.upper().trim() as u, o.tags.list_sort().len() as n from a join orders o on o.id = a.id

--# name: struct built by a cte and read by its field
w = T:orders.amount
rows = F:orders.status
--
with t as (select {'amt': amount, 'st': status} as s from orders) select s.amt as w from t where s.st = 'x'

--# name: list aggregate of a struct and unnest of it
x = A:orders.amount A:orders.id
rows = G:orders.customer_id
--
select unnest(l).amount as x from (select list({'amount': amount, 'id': id}) as l from orders group by customer_id)

--# name: group by alias that hides a column
x = T:a.y
n =
rows = G:a.x
--
select upper(y) as x, count(*) as n from a group by x

--# name: union of three with by name and positions in the middle
id = a.id b.id c.id
v = c.v
--
select id from a union all by name select id from b union all by name select v, id from c

--# name: window in a window function's argument
d = A:a.x W:a.id W:a.y
--
select sum(x - lag(x) over (order by id)) over (partition by y) as d from (select id, x, y from a) t

--# name: update with a cte and a correlated subquery
writes: a
status: partial
reason: update-keeps-other-values
x = A:b.w F:b.id F:a.id
--
update a set x = (select max(w) from b where b.id = a.id)

--# name: insert or ignore by name
writes: b
w = T:a.x
id = a.id
--
insert or ignore into b by name select x * 1.0 as w, id from a

--# name: insert with on conflict and where
writes: a
id = b.id
x = b.x T:b.x T:a.x
rows = F:a.y
--
insert into a (id, x) select id, x from b on conflict (id) do update set x = a.x + excluded.x where a.y <> 'k'

--# name: anti join with using
id = a.id
y = a.y
rows = J:a.id J:c.id
--
select id, y from a anti join c using (id)

--# name: values as a relation with names from a cte list
n =
rows = J:a.id
--
with v(k, n) as (values (1, 'a'), (2, 'b')) select v.n from v semi join a on a.id = v.k

--# name: nested ctes of one name
id = b.id
--
with t as (select id from a), u as (with t as (select id from b) select id from t) select id from u

--# name: create macro table and a call of it
status: unknown
reason: table-function
id = ?
--
select id from some_macro('a')

--# name: from with an alias prefix
id = customers.id
n = T:customers.name
--
from c: customers select c.id, n: upper(c.name)

--# name: star like
q1 = wide.q1
q2 = wide.q2
q3 = wide.q3
--
select * like 'q%' from wide

--# name: at time zone and casts of a string with a field
d = T:trips.started
s = T:trips.meta
--
select (started at time zone 'utc')::date as d, meta['a'][1:2] as s from trips

--# name: try and lambda with two lists
z = T:orders.tags T:orders.status
--
select list_zip(tags, list_transform(range(1, 3), i -> status || i)) as z from orders

--# name: describe a query
status: unknown
reason: statement:describe
--
describe select id from a

--# name: attach and a copy from a database
status: partial
reason: copy
--
copy from database a to b

--# name: create type and sequence say nothing
status: unknown
reason: no-query
--
create sequence s start 1

--# name: unnest with ordinality like range join
id = orders.id
i =
tag = T:orders.tags
rows = F:orders.tags
--
select o.id, r.i, o.tags[r.i] as tag from orders o, range(1, 10) r(i) where r.i <= len(o.tags)

--# name: columns with a lambda filter
q1 = A:wide.q1
q2 = A:wide.q2
q3 = A:wide.q3
--
select sum(columns(c -> c like 'q%')) from wide

--# name: struct insert and extract
s = T:orders.detail T:orders.id
k = T:orders.detail
--
select struct_insert(detail, oid := id) as s, struct_extract(detail, 'sku') as k from orders

--# name: aggregate with order and distinct in a list
l = A:customers.name S:customers.id
rows = G:customers.city
--
select list(distinct name order by id) as l from customers group by city

--# name: pivot in a cte
region = sales.region
a = A:sales.amount C:sales.quarter
rows = G:sales.region
--
with p as (pivot sales on quarter in ('a') using sum(amount) group by region) select region, a from p

--# name: unpivot in a cte
id = wide.id
v = T:wide.q1 T:wide.q2 T:wide.q3
--
with u as (unpivot wide on q1, q2, q3 into name k value val) select id, val + 1 as v from u

--# name: chained comparison in a filter of a window
r = W:trips.zone W:trips.fare
rows = F:trips.zone F:trips.fare F:trips.rider
--
select row_number() over (partition by zone order by fare) as r from trips where rider is not null qualify row_number() over (partition by zone order by fare) between 1 and 3

--# name: case-insensitive duplicate aliases in nested queries
ID = a.id
--
select ID from (select id as Id from (select ID from A) q1) Q2

--# name: table function over a column and a list of structs
n = T:trips.stops
at = T:trips.stops
--
select u.name as n, u.at from trips, unnest(stops) as t(u)

--# name: except in a subquery with in
id = a.id
rows = F:a.x F:b.x F:c.id
--
select id from a where x not in (select x from b except select id from c)

--# name: ignore nulls and nth value
n = T:trips.fare W:trips.started
--
select nth_value(fare, 2 ignore nulls) over (order by started) as n from trips

--# name: create or replace temp table then insert into a real one
writes: b
id = a.id
x = T:a.x
w = 
--
create or replace temp table s as select id, x + 1 as x from a; insert into b (id, x, w) select id, x, null from s

--# name: qualify on an alias and a where on another
s = A:orders.amount W:orders.customer_id
rows = F:orders.status F:orders.amount F:orders.customer_id
--
select sum(amount) over (partition by customer_id) as s from orders where status = 'x' qualify s > 10

--# name: an item reads the one before it without a schema
schema: none
net = T:bill.gross
tax = T:bill.gross
rows = F:bill.gross
--
select gross * 0.8 as net, net * 0.25 as tax from bill where net > 0

--# name: an item of the name of a column it reads stands for neither
schema: none
net = T:bill.net
tax = T:bill.net
--
select coalesce(net, 0) as net, net * 0.25 as tax from bill

--# name: columns that change names in a list around a recursive query
schema: none
low = span.high
high = span.low
--
with recursive turned (low, high) as (select high, low from span union all select low, high from turned) select * from turned

--# name: pivot over a cte
rows = F:sales.amount G:sales.region
region = sales.region
q1 = A:sales.amount C:sales.quarter
q2 = A:sales.amount C:sales.quarter
--
with s as (select region, quarter, amount from sales where amount > 0)
pivot s on quarter in ('q1', 'q2') using sum(amount) group by region

--# name: a table made by an unpivot
writes: long
id = wide.id
part =
held = wide.q1 wide.q2
--
create table long as unpivot (select id, q1, q2 from wide) on q1, q2 into name part value held

--# name: a table made by a pivot over a cte
writes: broad
region = sales.region
q1 = A:sales.amount C:sales.quarter
rows = G:sales.region
--
create or replace table broad as with s as (from sales) pivot s on quarter in ('q1') using sum(amount) group by region

--# name: rows that an unpivot puts in
writes: long
id = wide.id
part =
held = wide.q1
--
insert into long unpivot (select id, q1 from wide) on q1 into name part value held

--# name: a macro with a default reads no table
writes: net
id = orders.id
net = T:orders.amount
--
create macro taxed(x, rate := 0.2, more := 1 + (2)) as x * (1 + rate);
create table net as select id, taxed(amount) as net from orders

--# name: a macro that reads a table may add to what calls it
writes: net
status: partial
reason: routine
id = orders.id
top = T:orders.amount
--
create macro top_of(x) as (select max(rate) from rates where day = x);
create table net as select id, top_of(amount) as top from orders

--# name: a table macro of a script
writes: paid
id = orders.id
rows = F:orders.status
--
create macro with_status(s) as table select id, amount from orders where status = s;
create table paid as select w.id from with_status('paid') w

--# name: structs taken apart in the select list
id = orders.id
sku = T:orders.detail
size = T:orders.detail
--
select id, «sku,size»unnest(detail) from orders

--# name: lists of structs taken apart in the select list
trip_id = trips.trip_id
name = T:trips.stops
at = T:trips.stops
--
select trip_id, unnest(stops, recursive := true) from trips

--# name: positions with a hash sign
status = orders.status
n =
rows = G:orders.status S:orders.status
--
select status, count(*) as n from orders group by #1 order by #1

--# name: merge with a branch that does nothing
writes: b
status: partial
reason: merge-keeps-other-values
x = a.x
id = a.id
rows = J:a.id J:b.id F:a.z F:b.w
--
merge into b using a on a.id = b.id
when matched and b.w > 3 then do nothing
when matched then update set x = a.x
when not matched and a.z is null then do nothing
when not matched then insert (id, x) values (a.id, a.x)
