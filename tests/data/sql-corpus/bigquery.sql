--# tables: p.d.orders(id INT64, customer_id INT64, amount NUMERIC, discount NUMERIC, status STRING, day DATE, items ARRAY<STRUCT<sku STRING, qty INT64>>, tags ARRAY<STRING>, ship STRUCT<city STRING, geo STRUCT<lat FLOAT64, lon FLOAT64>>, doc JSON)
--# tables: p.d.customers(id INT64, name STRING, email STRING, city STRING)
--# tables: p.d.quarters(id INT64, q1 INT64, q2 INT64)
--# tables: p.d.sales(product STRING, quarter STRING, amount INT64)
--# tables: proj.web.events(user_pseudo_id STRING, event_name STRING, event_timestamp INT64, event_params ARRAY<STRUCT<key STRING, value STRUCT<string_value STRING, int_value INT64>>>, device STRUCT<category STRING, os STRING>, ecommerce STRUCT<value FLOAT64>)
--# tables: proj.web.users(id STRING, name STRING, created TIMESTAMP)
--# tables: g.shop.orders(id STRING, lines ARRAY<STRUCT<sku STRING, qty INT64, attrs ARRAY<STRUCT<k STRING, v STRING>>>>, cust STRUCT<id STRING, addr STRUCT<zip STRING>>, total NUMERIC, created TIMESTAMP)
--# tables: odd.d.gauges(id INTEGER(), level REAL IN METRES, parts ARRAY<STRUCT<k STRING, v INT64>>)
--# tables: logs.raw.hits_20230101(id INT64)
--# tables: logs.raw.hits_20240101(id INT64, path STRING)
--# tables: g.shop.skus(sku STRING, title STRING, price NUMERIC)

--# name: what only another dialect knows
status: partial
reason: generic-dialect
id = p.d.orders.id p.d.customers.id
--
select id from d.orders union select id from d.customers

--# name: backquoted full name
id = p.d.orders.id
--
select «id»id from `p.d.orders`

--# name: backquoted parts
id = p.d.orders.id
--
select o.id from `p`.d.`orders` as o

--# name: dataset and table only
id = p.d.orders.id
--
select id from d.orders

--# name: star except replace
id = p.d.customers.id
name = T:p.d.customers.name
city = p.d.customers.city
--
select * except (email) replace (upper(name) as name) from d.customers

--# name: unnest of an array of structs
id = p.d.orders.id
sku = T:p.d.orders.items
--
select o.id, «sku»i.sku from d.orders o, unnest(o.items) as i

--# name: unnest by cross join with offset
tag = T:p.d.orders.tags
pos = T:p.d.orders.tags
--
select tag, pos from d.orders cross join unnest(tags) as tag with offset as pos

--# name: implicit unnest of a column path
id = p.d.orders.id
qty = T:p.d.orders.items
--
select o.id, i.qty from d.orders o, o.items i

--# name: left join unnest
id = p.d.orders.id
sku = T:p.d.orders.items
--
select o.id, i.sku from d.orders o left join unnest(o.items) i

--# name: unnest in a scalar subquery
n = A:p.d.orders.items
--
select (select sum(i.qty) from unnest(o.items) i) as n from d.orders o

--# name: exists over unnest
id = p.d.orders.id
rows = F:p.d.orders.items
--
select id from d.orders o where exists (select 1 from unnest(o.items) i where i.qty > 3)

--# name: in unnest
id = p.d.orders.id
rows = F:p.d.orders.status F:p.d.orders.tags
--
select id from d.orders where status in unnest(tags)

--# name: array subquery over unnest
skus = T:p.d.orders.items
--
select array(select i.sku from unnest(items) i) as skus from d.orders

--# name: unnest of a literal
x =
--
select x from unnest([1, 2, 3]) as x

--# name: struct access
city = T:p.d.orders.ship
lat = T:p.d.orders.ship
--
select «city»ship.city, «lat»o.ship.geo.lat from d.orders o

--# name: struct star
city = T:p.d.orders.ship
geo = T:p.d.orders.ship
--
select o.ship.* from d.orders o

--# name: struct built
s = T:p.d.orders.id T:p.d.orders.amount
--
select struct(id, amount as a) as s from d.orders

--# name: a built struct's field
a = T:p.d.orders.amount
--
select s.a from (select struct(id, amount as a) as s from d.orders)

--# name: whole row as a struct
c = T:p.d.customers.id T:p.d.customers.name T:p.d.customers.email T:p.d.customers.city
--
select c from d.customers c

--# name: array_agg of structs with order and limit
last = A:p.d.orders.id A:p.d.orders.day S:p.d.orders.day
rows = G:p.d.orders.customer_id
--
select array_agg(struct(id, day) order by day desc limit 1)[offset(0)] as last from d.orders group by customer_id

--# name: latest row by array_agg of the whole row
row = A:p.d.customers.id A:p.d.customers.name A:p.d.customers.email A:p.d.customers.city S:p.d.customers.id
rows = G:p.d.customers.city
--
select array_agg(c order by c.id limit 1)[offset(0)] as row from d.customers c group by city

--# name: json access
x = T:p.d.orders.doc
y = T:p.d.orders.doc
--
select json_value(doc, '$.a.b') as x, doc.a.b as y from d.orders

--# name: qualify
id = p.d.orders.id
rows = F:p.d.orders.customer_id F:p.d.orders.day
--
select id from d.orders qualify row_number() over (partition by customer_id order by day desc) = 1

--# name: pivot
product = p.d.sales.product
Q1 = A:p.d.sales.amount C:p.d.sales.quarter
Q2 = A:p.d.sales.amount C:p.d.sales.quarter
rows = G:p.d.sales.product
--
select * from d.sales pivot (sum(amount) for quarter in ('Q1', 'Q2'))

--# name: pivot with an alias prefix
product = p.d.sales.product
total_Q1 = A:p.d.sales.amount C:p.d.sales.quarter
rows = G:p.d.sales.product
--
select product, total_Q1 from d.sales pivot (sum(amount) as total for quarter in ('Q1'))

--# name: unpivot
id = p.d.quarters.id
v = p.d.quarters.q1 p.d.quarters.q2
quarter =
--
select id, v, quarter from d.quarters unpivot (v for quarter in (q1, q2))

--# name: countif and approx
n = A:p.d.orders.status
d = A:p.d.orders.customer_id
--
select countif(status = 'x') as n, approx_count_distinct(customer_id) as d from d.orders

--# name: safe functions
x = T:p.d.orders.amount T:p.d.orders.discount
--
select safe_divide(amount, discount) as x from d.orders

--# name: if and ifnull
x = T:p.d.orders.amount C:p.d.orders.status
y = T:p.d.orders.amount T:p.d.orders.discount
--
select if(status = 'x', amount, null) as x, ifnull(amount, discount) as y from d.orders

--# name: window with range
s = A:p.d.orders.amount W:p.d.orders.customer_id W:p.d.orders.day
--
select sum(amount) over (partition by customer_id order by unix_date(day) range between 6 preceding and current row) as s from d.orders

--# name: last_value ignoring nulls
v = T:p.d.orders.status W:p.d.orders.day
--
select last_value(status ignore nulls) over (order by day) as v from d.orders

--# name: insert
writes: d.out
id = p.d.orders.id
s = p.d.orders.status
--
insert into d.out (id, s) select id, status from d.orders

--# name: insert with a cte inside
writes: d.out
id = p.d.orders.id
rows = F:p.d.orders.amount
--
insert d.out (id) with x as (select id from d.orders where amount > 1) select id from x

--# name: merge with insert row
writes: d.customers
status: partial
reason: merge-keeps-other-values
name = p.d.orders.status
id = p.d.orders.customer_id
rows = J:p.d.customers.id J:p.d.orders.customer_id
--
merge d.customers t using (select customer_id as id, status as name from d.orders) s on t.id = s.id
when matched then update set name = s.name
when not matched then insert row

--# name: merge, not matched by source
writes: d.customers
status: partial
reason: merge-keeps-other-values
city = p.d.orders.status
name =
rows = J:p.d.customers.id J:p.d.orders.customer_id F:p.d.customers.city
--
merge into d.customers t using d.orders s on t.id = s.customer_id
when matched then update set city = s.status
when not matched by source and t.city = 'x' then update set name = 'gone'

--# name: create table partitioned
writes: d.out
day = p.d.orders.day
n =
rows = G:p.d.orders.day
--
create or replace table d.out partition by day cluster by n as select day, count(*) as n from d.orders group by day

--# name: create view
writes: d.v
id = p.d.orders.id
--
create view if not exists d.v as select id from d.orders

--# name: create table function
id = p.d.orders.id
status: partial
reason: routine
rows = F:p.d.orders.day
--
create or replace table function d.f(since date) as select id from d.orders where day >= since

--# name: union distinct
id = p.d.orders.id p.d.customers.id
--
select id from d.orders union distinct select id from d.customers

--# name: except distinct
id = p.d.orders.customer_id
rows = F:p.d.customers.id
--
select customer_id as id from d.orders except distinct select id from d.customers

--# name: correlated subquery in the select list
id = p.d.customers.id
last = A:p.d.orders.day F:p.d.orders.customer_id F:p.d.customers.id
--
select c.id, (select max(o.day) from d.orders o where o.customer_id = c.id) as last from d.customers c

--# name: recursive cte
id = p.d.orders.id
n =
rows = F:p.d.orders.status J:p.d.orders.customer_id J:p.d.orders.id
--
with recursive r as (
  select id, 1 as n from d.orders where status = 'x'
  union all
  select o.id, r.n + 1 from d.orders o join r on o.customer_id = r.id
)
select id, n from r

--# name: wildcard table
id = d.events_*.id
rows = F:d.events_*._TABLE_SUFFIX
--
select id from `d.events_*` where _TABLE_SUFFIX > '20260101'

--# name: script with a temp table
writes: d.out
id = p.d.orders.id
spent = A:p.d.orders.amount
rows = G:p.d.orders.id F:p.d.orders.status
--
create temp table paid as select id, amount from d.orders where status = 'paid';
create or replace table d.out as select id, sum(amount) as spent from paid group by id;

--# name: script with declare and set
writes: d.out
id = p.d.orders.id
rows = F:p.d.orders.day
--
declare since date default '2026-01-01';
set since = date_sub(since, interval 1 day);
insert into d.out select id from d.orders where day >= since;

--# name: procedure
writes: d.out
status: partial
reason: routine
id = p.d.orders.id
--
create or replace procedure d.load() begin
  insert into d.out (id) select id from d.orders;
end

--# name: alias of a grouped expression
m = T:p.d.orders.day
n =
rows = G:p.d.orders.day S:p.d.orders.day
--
select date_trunc(day, month) as m, count(*) as n from d.orders group by m order by m

--# name: masking
h = T:p.d.customers.email!
--
select to_hex(sha256(email)) as h from d.customers

--# name: tablesample and for system_time
id = p.d.orders.id
--
select id from d.orders for system_time as of timestamp_sub(current_timestamp(), interval 1 hour)

--# name: pipe syntax
id = p.d.orders.id
rows = F:p.d.orders.amount
--
from d.orders |> where amount > 3 |> select id

--# name: event param by subquery
page = T:proj.web.events.event_params F:proj.web.events.event_params
--
select (select value.string_value from unnest(event_params) where key = 'page') as page from web.events

--# name: sessions by window
uid = proj.web.events.user_pseudo_id
first_ts = A:proj.web.events.event_timestamp W:proj.web.events.user_pseudo_id
--
select user_pseudo_id as uid, min(event_timestamp) over (partition by user_pseudo_id) as first_ts from `proj.web.events`

--# name: device share
os = T:proj.web.events.device
n = A:proj.web.events.user_pseudo_id
rows = F:proj.web.events.event_name G:proj.web.events.device
--
select device.os, count(distinct user_pseudo_id) as n from web.events where event_name = 'purchase' group by device.os

--# name: merge from a deduplicated source
writes: web.users
status: partial
reason: merge-keeps-other-values
name = proj.web.events.event_name
id = proj.web.events.user_pseudo_id
rows = J:proj.web.users.id J:proj.web.events.user_pseudo_id F:proj.web.events.user_pseudo_id F:proj.web.events.event_timestamp
--
merge web.users u using (
  select user_pseudo_id as id, event_name as name from web.events
  where true qualify row_number() over (partition by user_pseudo_id order by event_timestamp desc) = 1
) s on u.id = s.id
when matched then update set name = s.name
when not matched then insert (id, name) values (s.id, s.name)

--# name: array of structs built again
ps = T:proj.web.events.event_params
--
select array(select as struct p.key as k, p.value.int_value as v from unnest(event_params) p) as ps from web.events

--# name: left join on a cast key
uid = proj.web.users.id
value = A:proj.web.events.ecommerce
rows = J:proj.web.users.id J:proj.web.events.user_pseudo_id G:proj.web.users.id
--
select u.id as uid, sum(e.ecommerce.value) as value from web.users u left join web.events e on cast(u.id as string) = e.user_pseudo_id group by uid

--# name: safe offset and string agg
first = T:proj.web.events.event_params
names = A:proj.web.events.event_name S:proj.web.events.event_timestamp
rows = G:proj.web.events.event_params
--
select event_params[safe_offset(0)].key as first, string_agg(event_name, ',' order by event_timestamp) as names from web.events group by 1

--# name: window function filter by a named window
name = proj.web.users.name
r = W:proj.web.users.created
rows = F:proj.web.users.created
--
select name, rank() over recent as r from web.users qualify rank() over recent <= 3 window recent as (order by created desc)

--# name: generate array
d =
n = A:proj.web.users.id F:proj.web.users.created
--
select d, (select count(u.id) from web.users u where date(u.created) <= d) as n from unnest(generate_date_array('2026-01-01', '2026-02-01')) as d

--# name: if and struct equality
kind = C:proj.web.events.event_name C:proj.web.events.device
--
select if(event_name = 'x' and device.os = 'ios', 'a', 'b') as kind from web.events

--# name: double unnest
id = g.shop.orders.id
v = T:g.shop.orders.lines
rows = F:g.shop.orders.lines
--
select o.id, a.v from shop.orders o, unnest(o.lines) l, unnest(l.attrs) a where a.k = 'color'

--# name: unnest joined to a table
id = g.shop.orders.id
title = g.shop.skus.title
cost = T:g.shop.orders.lines T:g.shop.skus.price
rows = J:g.shop.orders.lines J:g.shop.skus.sku
--
select o.id, s.title, l.qty * s.price as cost from shop.orders o cross join unnest(o.lines) as l join shop.skus s on s.sku = l.sku

--# name: nested struct rename
zip = T:g.shop.orders.cust
--
select cust.addr.zip from shop.orders

--# name: any_value having max
last = A:g.shop.orders.total
rows = G:g.shop.orders.cust
--
select any_value(total) as last from shop.orders group by cust.id

--# name: select as struct
id = g.shop.orders.id
n = T:g.shop.orders.lines
--
select as struct id, array_length(lines) as n from shop.orders

--# name: cte with parameters
id = g.shop.orders.id
rows = F:g.shop.orders.created
--
with p as (select @from_ts as since) select o.id from shop.orders o, p where o.created >= p.since

--# name: format and safe cast
s = T:g.shop.orders.id T:g.shop.orders.total
n = T:g.shop.orders.id
--
select format('%s: %t', id, total) as s, safe_cast(id as int64) as n from shop.orders

--# name: rank in a subquery and a qualify outside
id = g.shop.orders.id
rows = F:g.shop.orders.created F:g.shop.orders.total
--
select id from (select id, created, total from shop.orders) where true qualify dense_rank() over (order by total desc, created) <= 10

--# name: insert select with unnest
writes: shop.flat
id = g.shop.orders.id
sku = T:g.shop.orders.lines
--
insert into shop.flat (id, sku) select o.id, l.sku from shop.orders as o left join unnest(o.lines) as l

--# name: update with a join
writes: shop.skus
status: partial
reason: update-keeps-other-values
price = T:g.shop.orders.total
rows = F:g.shop.skus.sku F:g.shop.orders.id
--
update shop.skus s set s.price = o.total / 2 from shop.orders o where o.id = s.sku

--# name: except and replace stars together
id = p.d.orders.id
customer_id = p.d.orders.customer_id
amount = T:p.d.orders.amount
status = p.d.orders.status
day = p.d.orders.day
--
select * except (discount, items, tags, ship, doc) replace (amount * 2 as amount) from d.orders

--# name: unnest of structs with a filter in the array
id = p.d.orders.id
qty = A:p.d.orders.items F:p.d.orders.items
--
select id, (select sum(i.qty) from unnest(items) as i where i.sku like 'a%') as qty from d.orders

--# name: merge with insert row from a subquery
writes: d.customers
status: partial
reason: merge-keeps-other-values
city = T:p.d.orders.status
id = p.d.orders.customer_id
rows = J:p.d.customers.id J:p.d.orders.customer_id
--
merge d.customers c using d.orders o on c.id = o.customer_id
when matched then update set city = lower(o.status)
when not matched by target then insert (id, city) values (o.customer_id, upper(o.status))

--# name: unpivot of two groups of columns
id = p.d.quarters.id
v = p.d.quarters.q1 p.d.quarters.q2
q =
--
select id, v, q from d.quarters unpivot include nulls (v for q in (q1 as 'first', q2 as 'second'))

--# name: qualify over a window of an aggregate
customer_id = p.d.orders.customer_id
total = A:p.d.orders.amount
rows = G:p.d.orders.customer_id F:p.d.orders.amount
--
select customer_id, sum(amount) as total from d.orders group by customer_id qualify rank() over (order by sum(amount) desc) <= 3

--# name: script with a loop and execute immediate
writes: d.out
id = p.d.orders.id
--
declare n int64 default 0;
loop
  set n = n + 1;
  if n > 3 then leave; end if;
  insert into d.out select id from d.orders;
end loop;
execute immediate 'drop table d.tmp';

--# name: array of a struct built by a subquery with offset
id = g.shop.orders.id
l = T:g.shop.orders.lines
--
select o.id, array(select as struct x.sku, pos from unnest(o.lines) x with offset pos) as l from g.shop.orders o

--# name: window navigation with ignore nulls
prev = T:proj.web.events.event_name W:proj.web.events.user_pseudo_id W:proj.web.events.event_timestamp
--
select last_value(event_name ignore nulls) over (partition by user_pseudo_id order by event_timestamp rows between unbounded preceding and 1 preceding) as prev from web.events

--# name: create table with a cte and a partition by expression
writes: d.out
day = p.d.orders.day
n = A:p.d.orders.id
rows = G:p.d.orders.day
--
create or replace table d.out partition by day cluster by n options (description = 'x') as
with a as (select day, id from d.orders) select day, count(distinct id) as n from a group by all

--# name: cross join of unnest and a having
sku = T:g.shop.orders.lines
total = A:g.shop.orders.lines A:g.shop.skus.price
rows = J:g.shop.orders.lines J:g.shop.skus.sku G:g.shop.orders.lines F:g.shop.orders.total
--
select l.sku, sum(l.qty * s.price) as total from g.shop.orders o, unnest(o.lines) l join g.shop.skus s on s.sku = l.sku
group by l.sku having max(o.total) > 10

--# name: pivot over a subquery with two aggregates
product = p.d.sales.product
s_Q1 = A:p.d.sales.amount C:p.d.sales.quarter
c_Q1 = C:p.d.sales.quarter
rows = G:p.d.sales.product
--
select * from (select product, quarter, amount from d.sales) pivot (sum(amount) as s, count(*) as c for quarter in ('Q1'))

--# name: table function call with a table argument
x = T:p.d.orders.id
--
select x from ml.predict(model d.m, (select id as x from d.orders))

--# name: unnest of an array of structs with its fields
id = p.d.orders.id
sku = T:p.d.orders.items
n = T:p.d.orders.items
--
select o.id, sku, qty * 2 as n from d.orders as o, unnest(o.items)

--# name: unnest with offset and a filter on it
t = T:p.d.orders.tags
rows = F:p.d.orders.tags
--
select t from d.orders, unnest(tags) as t with offset off where off > 1

--# name: star except over a join with using
id = T:p.d.orders.id T:p.d.quarters.id
amount = p.d.orders.amount
q1 = p.d.quarters.q1
rows = J:p.d.orders.id J:p.d.quarters.id
--
select * except (customer_id, discount, status, day, items, tags, ship, doc, q2) from d.orders join d.quarters using (id)

--# name: star replace
id = p.d.quarters.id
q1 = T:p.d.quarters.q1 T:p.d.quarters.q2
q2 = p.d.quarters.q2
--
select * replace (q1 + q2 as q1) from d.quarters

--# name: struct field star of a nested struct
lat = T:p.d.orders.ship
lon = T:p.d.orders.ship
--
select ship.geo.* from d.orders

--# name: select as value
status: complete
value_ = p.d.orders.id
--
select v.id as value_ from (select as struct id, amount from d.orders) v

--# name: array_agg with ignore nulls, order and limit
xs = A:p.d.orders.amount S:p.d.orders.day
rows = G:p.d.orders.customer_id
--
select array_agg(amount ignore nulls order by day desc limit 3) as xs from d.orders group by customer_id

--# name: array_concat_agg and having max
a = A:p.d.orders.tags
b = A:p.d.orders.status S:p.d.orders.day
--
select array_concat_agg(tags) as a, any_value(status having max day) as b from d.orders

--# name: scalar subquery over unnest with a condition
v = T:proj.web.events.event_params F:proj.web.events.event_params
--
select (select value.int_value from unnest(event_params) where key = 'x') as v from web.events

--# name: exists over unnest in a where
event_name = proj.web.events.event_name
rows = F:proj.web.events.event_params
--
select event_name from web.events where exists (select 1 from unnest(event_params) p where p.key = 'y')

--# name: recursive with a union all and a stop
id = p.d.customers.id
n = 

--
with recursive t as (select id, 1 as n from d.customers union all select id, n + 1 from t where n < 3) select id, n from t

--# name: qualify with an aggregate window
customer_id = p.d.orders.customer_id
total = A:p.d.orders.amount
rows = G:p.d.orders.customer_id F:p.d.orders.amount
--
select customer_id, sum(amount) as total from d.orders group by customer_id qualify rank() over (order by sum(amount) desc) = 1

--# name: group by rollup and positions
status = p.d.orders.status
m = T:p.d.orders.day
n =
rows = G:p.d.orders.status G:p.d.orders.day S:p.d.orders.status
--
select status, date_trunc(day, month) as m, count(*) as n from d.orders group by rollup(1, 2) order by 1

--# name: pivot of a subquery with two aggregates
product = p.d.sales.product
s_q1 = A:p.d.sales.amount C:p.d.sales.quarter
m_q1 = A:p.d.sales.amount C:p.d.sales.quarter
rows = G:p.d.sales.product
--
select * from (select product, quarter, amount from d.sales) pivot (sum(amount) as s, max(amount) as m for quarter in ('q1'))

--# name: unpivot into two value columns
id = p.d.quarters.id
a = p.d.quarters.q1
b = p.d.quarters.q2
k =
--
select * from d.quarters unpivot ((a, b) for k in ((q1, q2)))

--# name: merge with source aggregate and three branches
writes: d.customers
status: partial
reason: merge-keeps-other-values
city = A:p.d.orders.status
id = p.d.orders.customer_id
rows = J:p.d.customers.id J:p.d.orders.customer_id G:p.d.orders.customer_id F:p.d.customers.name F:p.d.orders.amount
--
merge into d.customers c
using (select customer_id, max(status) as st, sum(amount) as am from d.orders group by customer_id) o on c.id = o.customer_id
when matched and o.am = 0 then delete
when matched and c.name is null then update set city = o.st
when not matched by target then insert (id, city) values (customer_id, st)
when not matched by source then delete

--# name: update with an unnest
writes: d.customers
status: partial
reason: update-keeps-other-values
city = A:p.d.orders.items
rows = F:p.d.customers.id F:p.d.orders.customer_id
--
update d.customers c set city = (select max(i.sku) from unnest(o.items) i) from d.orders o where o.customer_id = c.id

--# name: insert values from a select with turned columns
writes: d.customers
city = p.d.orders.status
id = p.d.orders.customer_id
--
insert d.customers (city, id) select status, customer_id from d.orders

--# name: create table clone and copy
writes: d.c2
id = p.d.customers.id
name = p.d.customers.name
email = p.d.customers.email
city = p.d.customers.city
--
create table d.c2 clone d.customers for system_time as of timestamp_sub(current_timestamp(), interval 1 hour)

--# name: create table like
writes: d.c3
status: unknown
reason: no-query
--
create table d.c3 like d.customers

--# name: export data
writes: gs://b/f*.csv
id = p.d.orders.id
total = T:p.d.orders.amount
--
export data options(uri='gs://b/f*.csv', format='CSV') as select id, amount * 2 as total from d.orders

--# name: script with if and a temp table
writes: d.out
id = p.d.orders.id
n = A:p.d.orders.amount
rows = G:p.d.orders.id
status: complete
--
create temp table t as select id, amount from d.orders;
if (select count(*) from t) > 0 then
  create or replace table d.out as select id, sum(amount) as n from t group by id;
end if;

--# name: procedure, again
writes: d.customers
status: partial
reason: routine
id = p.d.orders.customer_id
rows = F:p.d.orders.id
--
create or replace procedure d.p(x int64) begin insert into d.customers (id) select customer_id from d.orders where id > x; end

--# name: ml predict table function
id = T:p.d.orders.id T:p.d.orders.amount
--
select id from ml.predict(model d.m, (select id, amount from d.orders))

--# name: json functions
a = T:p.d.orders.doc
b = T:p.d.orders.doc
c = T:p.d.orders.doc
--
select json_query(doc, '$.a') as a, json_extract_scalar(doc, '$.b[0]') as b, lax_int64(doc.c) as c from d.orders

--# name: set operations by name
id = p.d.orders.id p.d.customers.id
city = p.d.customers.city
--
select id from d.orders full union all by name select city, id from d.customers

--# name: names that differ in case
ID = p.d.orders.id
Total = T:p.d.orders.amount
--
select ID, AMOUNT + 1 as Total from d.orders as O

--# name: tables named by dashes and wildcards
x = my-proj.d.events_*._table_suffix
--
select _table_suffix as x from `my-proj.d.events_*`

--# name: a cte hides a table and is read by a later one
n = p.d.customers.id
--
with orders as (select id as n from d.customers), t as (select n from orders) select n from t

--# name: window over named definitions
a = A:p.d.orders.amount W:p.d.orders.customer_id
b = T:p.d.orders.amount W:p.d.orders.customer_id W:p.d.orders.day
--
select sum(amount) over w as a, last_value(amount ignore nulls) over (w order by day rows between unbounded preceding and current row) as b
from d.orders window w as (partition by customer_id)

--# name: in unnest of a parameter and a struct comparision
id = p.d.orders.id
rows = F:p.d.orders.status F:p.d.orders.id F:p.d.orders.amount
--
select id from d.orders where status in unnest(@states) and (id, amount) in unnest([(1, 2)])

--# name: array of structs joined to a table
title = g.shop.skus.title
q = A:g.shop.orders.lines
rows = J:g.shop.orders.lines J:g.shop.skus.sku G:g.shop.skus.title
--
select s.title, sum(l.qty) as q from g.shop.orders o cross join unnest(o.lines) l join g.shop.skus s on s.sku = l.sku group by s.title

--# name: pipe operators
customer_id = p.d.orders.customer_id
total = A:p.d.orders.amount
rows = F:p.d.orders.status G:p.d.orders.customer_id
--
from d.orders |> where status = 'x' |> extend amount * 2 as dbl |> aggregate sum(amount) as total group by customer_id

--# name: array of structs unnested twice in subqueries
n = T:g.shop.orders.lines
--
select (select count(1) from unnest(lines) l, unnest(l.attrs)) as n from g.shop.orders

--# name: left join unnest with a condition
id = g.shop.orders.id
sku = T:g.shop.orders.lines
rows = J:g.shop.orders.lines
--
select o.id, l.sku from g.shop.orders o left join unnest(lines) l on l.qty > 1

--# name: generate_date_array spine
d =
n = A:p.d.orders.id
rows = J:p.d.orders.day
--
select d, count(o.id) as n from unnest(generate_date_array('2026-01-01', '2026-02-01')) d left join d.orders o on o.day = d group by d

--# name: struct compare in a join and an anonymous struct column
s = T:p.d.customers.name T:p.d.customers.city
rows = J:p.d.orders.customer_id J:p.d.customers.id
--
select struct(c.name, c.city as town) as s from d.orders o join d.customers c on struct(o.customer_id) = struct(c.id)

--# name: field of a struct from a subquery
town = T:p.d.customers.city
--
select s.town from (select struct(name, city as town) as s from d.customers)

--# name: array_agg of struct unpacked by offset
amount = A:p.d.orders.amount S:p.d.orders.day
rows = G:p.d.orders.customer_id
--
select array_agg(struct(id, amount) order by day desc limit 1)[offset(0)].amount as amount from d.orders group by customer_id

--# name: nested ctes and a union distinct with null padding
id = p.d.orders.id p.d.customers.id
city = p.d.customers.city
--
with a as (select id, cast(null as string) as city from d.orders), b as (select id, city from d.customers) select * from a union distinct select * from b

--# name: insert from a with inside a call
writes: d.customers
name = T:p.d.orders.status
id = A:p.d.orders.customer_id
rows = G:p.d.orders.status
--
insert into d.customers (name, id) with t as (select upper(status) as s, max(customer_id) as c from d.orders group by status) select s, c from t

--# name: update set struct field
writes: d.orders
status: partial
reason: update-keeps-other-values
ship = p.d.customers.city
rows = F:p.d.orders.customer_id F:p.d.customers.id
--
update d.orders o set ship.city = c.city from d.customers c where c.id = o.customer_id

--# name: session variable script with set from a query
writes: d.out
id = p.d.orders.id
rows = F:p.d.orders.day
--
declare m date;
set m = (select max(day) from d.orders);
create or replace table d.out as select id from d.orders where day = m;

--# name: for loop script
writes: d.customers
id = p.d.orders.customer_id
--
for r in (select customer_id from d.orders) do
  insert into d.customers (id) select customer_id from d.orders;
end for;

--# name: no schema, qualified struct path
schema: none
writes: x.y
c = T:a.b.doc
--
create table x.y as select t.doc.city as c from a.b as t

--# name: percentile window and approx quantiles
p = A:p.d.orders.amount W:p.d.orders.status
q = A:p.d.orders.amount
--
select p, q from (select percentile_cont(amount, 0.5) over (partition by status) as p, q from d.orders, (select approx_quantiles(amount, 4)[offset(2)] as q from d.orders))

--# name: unnest with a struct alias and its field by name
id = g.shop.orders.id
v = T:g.shop.orders.lines
--
select o.id, a.v from g.shop.orders o, o.lines l, l.attrs a

--# name: correlated array subquery with a filter and an order
xs = T:g.shop.orders.lines F:g.shop.orders.lines S:g.shop.orders.lines
--
select array(select l.sku from unnest(lines) l where l.qty > 1 order by l.qty) as xs from g.shop.orders

--# name: struct star in a cte
zip = T:g.shop.orders.cust
--
with c as (select cust.addr.* from g.shop.orders) select zip from c

--# name: window on a cte with named struct
f = T:p.d.orders.amount W:p.d.orders.customer_id W:p.d.orders.day
--
with t as (select customer_id, day, struct(amount as amt) as s from d.orders) select first_value(s.amt) over (partition by customer_id order by day) as f from t

--# name: safe cast with a format and a coalesce of a subquery
x = T:p.d.orders.status A:p.d.customers.city
--
select coalesce(safe_cast(status as string), (select max(city) from d.customers)) as x from d.orders

--# name: except distinct and intersect in parentheses
id = p.d.orders.id
rows = F:p.d.customers.id F:p.d.quarters.id
--
(select id from d.orders except distinct select id from d.customers) intersect distinct select id from d.quarters

--# name: table alias with the name of a column
status = p.d.orders.status
--
select status.status from d.orders as status

--# name: if in an aggregate and a ratio
r = A:p.d.orders.amount C:p.d.orders.status
--
select safe_divide(sum(if(status = 'x', amount, 0)), sum(amount)) as r from d.orders

--# name: insert with an unnest of parameters
writes: d.customers
id =
--
insert into d.customers (id) select x from unnest([1, 2]) x

--# name: create view with options and column descriptions
writes: d.v
a = p.d.orders.id
b = T:p.d.orders.amount
--
create or replace view d.v (a options(description = 'x'), b) options(labels = [('k', 'v')]) as select id, amount * 2 from d.orders

--# name: pipe join and window
id = p.d.orders.id
city = p.d.customers.city
rows = J:p.d.orders.customer_id J:p.d.customers.id
--
from d.orders as o |> join d.customers as c on o.customer_id = c.id |> select o.id, c.city

--# name: no schema, a field of a struct
schema: none
os = T:visits.device
city = T:visits.geo
n =
rows = G:visits.device G:visits.geo F:visits.geo
--
select device.os, v.geo.city, count(*) as n from visits v where geo.country = 'x' group by os, city

--# name: no schema, grouped by a name beside a join
schema: none
day = T:visits.at
rows = J:visits.id J:people.id G:visits.at
--
select date(visits.at) as day from visits join people on visits.id = people.id group by day

--# name: types the dialect does not know
id = odd.d.gauges.id
level = T:odd.d.gauges.level
v = T:odd.d.gauges.parts
--
select g.id, round(g.level) as level, p.v from odd.d.gauges g, unnest(g.parts) as p

--# name: no schema, a field of an array's structs in a subquery
schema: none
id = visits.id
page = T:visits.params F:visits.params
--
select id, (select value.string_value from unnest(params) where key = 'page') as page from visits

--# name: no schema, a name that could be a field of what is unnested
schema: none
status: partial
reason: assumed-own-column:id
id = visits.id
key = T:visits.params
--
select id, p.key from visits, unnest(params) as p

--# name: no schema, dates made from a column
schema: none
month = T:plans.start
--
select month from plans cross join unnest(generate_date_array(start, current_date, interval 1 month)) as month

--# name: a view of the information schema in one pair of quotes
schema: none
table_name = proj.d.INFORMATION_SCHEMA.TABLES.table_name
--
select table_name from `proj.d.INFORMATION_SCHEMA.TABLES`

--# name: a star of a query that is called like a struct column
city = p.d.customers.city
--
with ship as (select city from d.customers) select ship.* from d.orders, ship

--# name: delete without from
writes: d.orders
status: partial
reason: statement:delete
rows = F:p.d.orders.day
--
delete d.orders where day < '2020-01-01'

--# name: a partition of a table is the table
writes: p.d.customers
id = p.d.customers.id
--
insert into `p.d.customers$20240101` (id) select id from `p.d.customers$__UNPARTITIONED__`

--# name: a wildcard over tables of which the schema knows some
id = logs.raw.hits_*.id
path = logs.raw.hits_*.path
rows = F:logs.raw.hits_*._table_suffix
--
select * from `logs.raw.hits_*` where _table_suffix > '2024'

--# name: a table given to a function in from
score = T:p.d.quarters.id T:p.d.quarters.q1 T:p.d.quarters.q2
--
select predicted_label as score from ml.predict(model `p.d.a_model`, table `p.d.quarters`)

--# name: a pseudo column beside what is unnested
path = logs.raw.hits_*.path
tag = T:p.d.orders.tags
rows = F:logs.raw.hits_*._table_suffix J:logs.raw.hits_*.id J:p.d.orders.id
--
select path, tag from `logs.raw.hits_*` h join d.orders o on h.id = o.id, unnest(o.tags) as tag where h._table_suffix = '20240101'

--# name: a pseudo column without its table beside what is unnested
sku = T:p.d.orders.items
rows = F:p.d.orders._partitiontime
--
select i.sku from d.orders, unnest(items) as i where _partitiontime > '2024-01-01'

--# name: a struct built by a subquery
who = T:p.d.customers.id T:p.d.customers.name
--
select (select as struct c.id, c.name) as who from d.customers c

--# name: the latest row of each group as a value
id = A:p.d.orders.id S:p.d.orders.day
status = A:p.d.orders.status S:p.d.orders.day
rows = G:p.d.orders.customer_id
--
select latest.id, latest.status from (
  select array_agg(o order by o.day desc limit 1)[offset(0)] as latest from d.orders o group by o.customer_id)

--# name: all fields of the latest row of each group
id = A:p.d.customers.id S:p.d.customers.name
name = A:p.d.customers.name S:p.d.customers.name
email = A:p.d.customers.email S:p.d.customers.name
city = A:p.d.customers.city S:p.d.customers.name
rows = G:p.d.customers.email
--
select kept.* from (select array_agg(c order by name limit 1)[safe_offset(0)] as kept from d.customers c group by c.email)

--# name: a field of a struct of a group, two queries on
a = A:p.d.orders.amount S:p.d.orders.day
--
with one as (select any_value(struct(id, amount) having max day) as picked from d.orders), two as (select picked, 1 as n from one)
select two.picked.amount as a from two

--# name: a row carried along
amount = T:p.d.orders.amount
rows = F:p.d.orders.id F:p.d.orders.day
--
with numbered as (select o, row_number() over (partition by o.id order by o.day) as nr from d.orders o)
select numbered.o.amount from numbered where nr = 1

--# name: a path in from of a subquery
id = p.d.orders.id
sold = A:p.d.orders.items F:p.d.orders.items
--
select o.id, (select sum(qty) from o.items where sku like 'a%') as sold from d.orders o

--# name: a path in from without an alias of its table
id = p.d.orders.id
rows = F:p.d.orders.items
--
select id from d.orders where exists (select 1 from orders.items i where i.qty > 1)

--# name: paths in from with an offset
id = p.d.orders.id
sku = T:p.d.orders.items
place = T:p.d.orders.items
tag = T:p.d.orders.tags
--
select o.id, i.sku, place, tag from d.orders o, o.items as i with offset as place, o.tags tag with offset

--# name: functions of one value beside a query
word = T:p.d.orders.status
score = T:p.d.orders.id
--
create temp function tidy(word string) as (lower(trim(word)));
create temp function scored(n int64) returns float64 language js as "return n * 2;";
select tidy(status) as word, scored(id) as score from d.orders

--# name: pipes over a table of which nothing is known
schema: none
kind = far.events.kind
n =
rows = F:far.events.day G:far.events.kind S:far.events.kind
--
from far.events |> where day > '2026-01-01' |> aggregate count(*) as n group by kind |> order by kind

--# name: a statement in a string
writes: d.out
id = p.d.orders.id
status = T:p.d.orders.status
rows = F:p.d.orders.status
--
execute immediate """
insert into d.out (id, status)
select «id»id, «status»upper(status) from d.orders where status <> 'x'
"""

--# name: a statement that is put together when it runs
writes: d.out
status: partial
reason: statement:execute
id = p.d.orders.id
--
insert into d.out select id from d.orders;
execute immediate format('insert into d.%s select id from d.orders', 'more')

--# name: a loop with a condition
writes: d.out
id = p.d.orders.id
rows = F:p.d.orders.day
--
declare today date default '2026-01-01';
while today < current_date() do
  insert into d.out (id) select «id»id from d.orders where day = today;
  set today = date_add(today, interval 1 day);
end while;
