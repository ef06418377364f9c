--# tables: db.orders(id bigint, customer_id bigint, amount double, discount double, status string, day date, tags array<string>, lines array<struct<sku:string,qty:int>>, attrs map<string,string>, ship struct<city:string,geo:struct<lat:double,lon:double>>)
--# tables: db.customers(id bigint, name string, email string, city string)
--# tables: db.monthly(id bigint, jan double, feb double, mar double)
--# tables: db.sales(region string, month string, amount double, cost double)
--# tables: lake.clicks(user string, url string, ts timestamp, props map<string,string>, items array<struct<sku:string,price:double,tags:array<string>>>, geo struct<country:string,city:string>)
--# tables: lake.users(user string, name string, country string, updated timestamp)
--# tables: w.fact(k bigint, cust bigint, amt double, dt date, arr array<int>, m map<string,int>, s struct<a:int,b:struct<c:string>>)
--# tables: w.cust(id bigint, nm string, seg string)

--# name: a temporary view in terms of what it was
writes: lake.names
user = lake.users.user
name = T:lake.users.name
--
create or replace temp view seen as select user, name from lake.users;
create or replace temp view seen as select user, trim(name) as name from seen;
insert overwrite table lake.names select user, name from seen

--# name: schema by use
schema: none
writes: lake.names
name = lake.users.name
--
use lake;
insert into names select name from users

--# name: catalog and schema by use
schema: none
writes: main.lake.names
name = main.lake.users.name
first = main.raw.people.first
--
use catalog main;
use lake;
create table names as select users.name, people.first from users cross join raw.people

--# name: files by their paths
schema: none
writes: /mnt/out/users
name = T:/mnt/in/users.json.name
--
insert overwrite table delta.`/mnt/out/users` select upper(name) as name from json.`/mnt/in/users.json`

--# name: insert overwrite
writes: db.out
id = db.orders.id
amount = T:db.orders.amount
--
insert overwrite table db.out select id, «amount»amount * 2 as amount from db.orders

--# name: insert into a partition
writes: db.out
id = db.orders.id
amount = db.orders.amount
rows = F:db.orders.day
--
insert into db.out partition (day = '2026-01-01') select id, amount from db.orders where day = '2026-01-01'

--# name: insert overwrite with a dynamic partition
writes: db.out
id = db.orders.id
day = db.orders.day
--
insert overwrite table db.out partition (day) select id, day from db.orders

--# name: ctas using parquet
writes: db.out
id = db.orders.id
--
create table db.out using parquet partitioned by (id) as select id from db.orders

--# name: create or replace temp view
writes: v
id = db.orders.id
--
create or replace temporary view v as select id from db.orders

--# name: cache table as
writes: c
id = db.orders.id
--
cache table c as select id from db.orders

--# name: cte before insert
writes: db.out
id = db.orders.id
rows = F:db.orders.amount
--
with a as (select id from db.orders where amount > 3) insert into db.out select id from a

--# name: explode in the select list
id = db.orders.id
tag = T:db.orders.tags
--
select id, «tag»explode(tags) as tag from db.orders

--# name: posexplode with two names
pos = T:db.orders.tags
tag = T:db.orders.tags
--
select posexplode(tags) as (pos, tag) from db.orders

--# name: lateral view explode
id = db.orders.id
tag = T:db.orders.tags
--
select id, tag from db.orders lateral view explode(tags) t as tag

--# name: lateral view outer explode of structs
id = db.orders.id
sku = T:db.orders.lines
qty = A:db.orders.lines
rows = G:db.orders.id G:db.orders.lines
--
select id, l.sku as sku, sum(l.qty) as qty from db.orders lateral view outer explode(lines) x as l group by id, l.sku

--# name: two lateral views
tag = T:db.orders.tags
sku = T:db.orders.lines
--
select t.tag, s.l.sku as sku from db.orders
lateral view explode(tags) t as tag
lateral view explode(lines) s as l

--# name: lateral view of a map
k = T:db.orders.attrs
v = T:db.orders.attrs
--
select k, v from db.orders lateral view explode(attrs) m as k, v

--# name: lateral view posexplode
p = T:db.orders.tags
t = T:db.orders.tags
--
select p, t from db.orders lateral view posexplode(tags) x as p, t

--# name: inline
sku = T:db.orders.lines
qty = T:db.orders.lines
--
select sku, qty from db.orders lateral view inline(lines) x as sku, qty

--# name: nested struct access
city = T:db.orders.ship
lat = T:db.orders.ship
--
select «city»ship.city, «lat»ship.geo.lat as lat from db.orders

--# name: struct access with alias of the table
lat = T:db.orders.ship
--
select o.ship.geo.lat as lat from db.orders o

--# name: map and array access
a = T:db.orders.attrs
t = T:db.orders.tags
--
select attrs['x'] as a, tags[0] as t from db.orders

--# name: array of structs projected
skus = T:db.orders.lines
--
select lines.sku as skus from db.orders

--# name: higher-order functions
up = T:db.orders.tags
total = T:db.orders.lines
--
select transform(tags, x -> upper(x)) as up, aggregate(lines, 0, (acc, l) -> acc + l.qty) as total from db.orders

--# name: named_struct
s = T:db.orders.id T:db.orders.amount
--
select named_struct('id', id, 'a', amount) as s from db.orders

--# name: struct star
city = T:db.orders.ship
geo = T:db.orders.ship
--
select ship.* from db.orders

--# name: pivot
region = db.sales.region
jan = A:db.sales.amount C:db.sales.month
feb = A:db.sales.amount C:db.sales.month
rows = G:db.sales.region
--
select * from (select region, month, amount from db.sales)
pivot (sum(amount) for month in ('jan' as jan, 'feb' as feb))

--# name: pivot with two aggregates
region = db.sales.region
jan_a = A:db.sales.amount C:db.sales.month
jan_c = A:db.sales.cost C:db.sales.month
rows = G:db.sales.region
--
select region, jan_a, jan_c from db.sales
pivot (sum(amount) as a, max(cost) as c for month in ('jan' as jan))

--# name: unpivot
id = db.monthly.id
month =
v = db.monthly.jan db.monthly.feb db.monthly.mar
--
select id, month, v from db.monthly unpivot (v for month in (jan, feb, mar))

--# name: stack
id = db.monthly.id
m =
v = T:db.monthly.jan T:db.monthly.feb
--
select id, stack(2, 'jan', jan, 'feb', feb) as (m, v) from db.monthly

--# name: left semi join
id = db.orders.id
rows = J:db.orders.customer_id J:db.customers.id
--
select o.id from db.orders o left semi join db.customers c on o.customer_id = c.id

--# name: left anti join
id = db.orders.id
rows = J:db.orders.customer_id J:db.customers.id
--
select o.id from db.orders o left anti join db.customers c on o.customer_id = c.id

--# name: broadcast hint
id = db.orders.id
name = db.customers.name
rows = J:db.orders.customer_id J:db.customers.id
--
select /*+ broadcast(c) */ o.id, c.name from db.orders o join db.customers c on o.customer_id = c.id

--# name: multi insert
writes: db.b
amount = db.orders.amount
rows = F:db.orders.status
status: partial
reason: several-outputs
--
from db.orders
insert overwrite table db.a select id
insert into db.b select amount where status = 'x'

--# name: merge with update set star
writes: db.customers
status: partial
reason: merge-keeps-other-values
id = db.orders.customer_id
name = db.orders.status
rows = J:db.customers.id J:db.orders.customer_id
--
merge into db.customers t
using (select customer_id as id, status as name from db.orders) s on t.id = s.id
when matched then update set *
when not matched then insert *

--# name: merge with delete and conditions
writes: db.customers
status: partial
reason: merge-keeps-other-values
city = db.orders.status
rows = J:db.customers.id J:db.orders.customer_id F:db.orders.amount F:db.orders.discount
--
merge into db.customers t using db.orders s on t.id = s.customer_id
when matched and s.amount = 0 then delete
when matched and s.discount > 0 then update set t.city = s.status

--# name: update of a delta table
writes: db.orders
status: partial
reason: update-keeps-other-values
amount = T:db.orders.amount
rows = F:db.orders.status
--
update db.orders set amount = amount * 2 where status = 'x'

--# name: distribute by and sort by
id = db.orders.id
rows = S:db.orders.day
--
select id from db.orders distribute by status sort by day

--# name: window
r = W:db.orders.customer_id W:db.orders.day
--
select dense_rank() over (partition by customer_id order by day) as r from db.orders

--# name: window range
s = A:db.orders.amount W:db.orders.customer_id W:db.orders.day
--
select sum(amount) over (partition by customer_id order by day range between interval 7 days preceding and current row) as s from db.orders

--# name: collect_set and size
n = A:db.orders.status
rows = G:db.orders.customer_id
--
select size(collect_set(status)) as n from db.orders group by customer_id

--# name: if function
x = T:db.orders.amount C:db.orders.status
--
select if(status = 'x', amount + 1, 0) as x from db.orders

--# name: nvl2
x = T:db.orders.amount T:db.orders.discount C:db.orders.status
--
select nvl2(status, amount, discount) as x from db.orders

--# name: decode
x = T:db.orders.amount T:db.orders.discount C:db.orders.status
--
select decode(status, 'a', amount, discount) as x from db.orders

--# name: masking
h = T:db.customers.email!
--
select sha2(email, 256) as h from db.customers

--# name: backquoted names
Order Id = db.orders.id
--
select `id` as `Order Id` from `db`.`orders`

--# name: names differ in case only
Id = db.orders.id
--
select ID as Id from DB.ORDERS

--# name: lateral alias
a = T:db.orders.amount
b = T:db.orders.amount
--
select amount * 2 as a, a + 1 as b from db.orders

--# name: lateral subquery
id = db.orders.id
n = A:db.customers.id
rows = F:db.customers.id F:db.orders.customer_id
--
select o.id, x.n from db.orders o, lateral (select count(c.id) as n from db.customers c where c.id = o.customer_id) x

--# name: values inline table
a =
--
select a from values (1, 'x'), (2, 'y') as t(a, b)

--# name: grouping sets
city = db.customers.city
n =
rows = G:db.customers.city G:db.customers.name
--
select city, count(*) as n from db.customers group by city, name grouping sets ((city), (name))

--# name: cube
city = db.customers.city
rows = G:db.customers.city G:db.customers.name
--
select city from db.customers group by cube (city, name)

--# name: star except
name = db.customers.name
city = db.customers.city
--
select * except (id, email) from db.customers

--# name: minus
id = db.orders.customer_id
rows = F:db.customers.id
--
select customer_id as id from db.orders minus select id from db.customers

--# name: tablesample
id = db.orders.id
--
select id from db.orders tablesample (10 percent)

--# name: time travel
id = db.orders.id
--
select id from db.orders version as of 12

--# name: from_json with a field
x = T:db.orders.status
--
select from_json(status, 'a int').a as x from db.orders

--# name: script with a temp view
writes: db.out
city = db.customers.city
n = A:db.customers.id
rows = F:db.customers.name G:db.customers.city
--
create temporary view named as select id, city from db.customers where name is not null;
insert overwrite table db.out select city, count(id) as n from named group by city

--# name: nested explodes
user = lake.clicks.user
tag = T:lake.clicks.items
--
select c.user, tag from lake.clicks c lateral view explode(c.items) i as item lateral view explode(item.tags) t as tag

--# name: dedupe by row number
user = lake.users.user
name = lake.users.name
rows = F:lake.users.user F:lake.users.updated
--
select user, name from (select *, row_number() over (partition by user order by updated desc) as rn from lake.users) where rn = 1

--# name: merge scd2
writes: lake.dim
status: partial
reason: merge-keeps-other-values
valid_to = lake.users.updated
user = lake.users.user
name = lake.users.name
rows = J:lake.dim.user J:lake.users.user F:lake.dim.name F:lake.users.name
--
merge into lake.dim d using lake.users u on d.user = u.user
when matched and d.name <> u.name then update set d.valid_to = u.updated
when not matched then insert (user, name) values (u.user, u.name)

--# name: pivot over a cte
country = T:lake.clicks.geo
a = A:lake.clicks.user C:lake.clicks.url
b = A:lake.clicks.user C:lake.clicks.url
rows = G:lake.clicks.geo
--
with x as (select geo.country as country, url, user from lake.clicks)
select * from x pivot (count(user) for url in ('a' as a, 'b' as b))

--# name: array functions
skus = T:lake.clicks.items
total = T:lake.clicks.items
first = T:lake.clicks.items
--
select transform(items, i -> i.sku) as skus, aggregate(items, 0D, (acc, i) -> acc + i.price) as total, items[0].sku as first from lake.clicks

--# name: left outer join with using and a filter after it
user = T:lake.clicks.user T:lake.users.user
name = lake.users.name
rows = J:lake.clicks.user J:lake.users.user F:lake.users.country
--
select user, name from lake.clicks left outer join lake.users using (user) where country = 'de' or country is null

--# name: insert overwrite with a union of ctes
writes: lake.out
user = lake.clicks.user lake.users.user
source =
rows = F:lake.clicks.ts
--
with a as (select user, 'click' as source from lake.clicks where ts > '2026-01-01'), b as (select user, 'user' as source from lake.users)
insert overwrite lake.out select * from a union all select * from b

--# name: session windows
user = lake.clicks.user
n =
rows = G:lake.clicks.user G:lake.clicks.ts
--
select user, count(*) as n from lake.clicks group by user, window(ts, '10 minutes')

--# name: struct of aggregates
s = A:lake.clicks.ts A:lake.clicks.url
rows = G:lake.clicks.user
--
select struct(max(ts) as last, collect_set(url) as urls) as s from lake.clicks group by user

--# name: exists with an array lambda
user = lake.clicks.user
rows = F:lake.clicks.items
--
select user from lake.clicks where exists(items, i -> i.price > 100)

--# name: insert into with column list and a join
writes: w.out
cust = w.cust.nm
total = A:w.fact.amt
rows = J:w.fact.cust J:w.cust.id G:w.cust.nm
--
insert into w.out (cust, total) select c.nm, sum(f.amt) from w.fact f join w.cust c on f.cust = c.id group by c.nm

--# name: inline and explode outer
v = T:w.fact.arr
key = T:w.fact.m
value = T:w.fact.m
--
select v, key, value from w.fact lateral view outer explode(arr) e as v lateral view explode(m) mm as key, value

--# name: explode of a map in the select list
k = w.fact.k
key = T:w.fact.m
value = T:w.fact.m
--
select k, explode(m) as (key, value) from w.fact

--# name: deep struct in a filter
k = w.fact.k
rows = F:w.fact.s
--
select k from w.fact where s.b.c = 'x'

--# name: full outer join and coalesced keys
id = T:w.fact.cust T:w.cust.id
rows = J:w.fact.cust J:w.cust.id
--
select coalesce(f.cust, c.id) as id from w.fact f full outer join w.cust c on f.cust = c.id

--# name: percentile and approximations
p = A:w.fact.amt
q = A:w.fact.amt
--
select percentile_approx(amt, 0.9) as p, percentile(amt, 0.5) as q from w.fact

--# name: window with rows between and lead
nxt = T:w.fact.dt W:w.fact.cust W:w.fact.dt
--
select lead(dt, 1) over (partition by cust order by dt) as nxt from w.fact

--# name: cluster by
k = w.fact.k
--
select k from w.fact cluster by k

--# name: create view with comments and properties
writes: w.v
id = w.cust.id
seg = w.cust.seg
--
create or replace view w.v (id comment 'key', seg) comment 'customers' tblproperties ('x' = 'y') as select id, seg from w.cust

--# name: delta merge by source
writes: w.cust
status: partial
reason: merge-keeps-other-values
seg = T:w.fact.s
rows = J:w.cust.id J:w.fact.cust
--
merge into w.cust t using (select cust, s.b.c as c from w.fact) u on t.id = u.cust when matched then update set seg = u.c

--# name: merge from an aggregate with a condition on the source
writes: db.best
status: partial
reason: merge-keeps-other-values
best = A:db.orders.amount
id = db.orders.id
rows = J:db.best.id J:db.orders.id G:db.orders.id F:db.orders.amount
--
merge into db.best t using (select id, max(amount) as m from db.orders group by id) s on t.id = s.id
when matched and s.m > 10 then update set t.best = s.m
when not matched then insert (id, best) values (s.id, s.m)

--# name: from before two inserts into the same table
writes: db.out
k = db.orders.id db.orders.customer_id
v = T:db.orders.amount T:db.orders.discount
rows = F:db.orders.status F:db.orders.day
--
from db.orders
insert into db.out select id as k, amount + 1 as v where status = 'a'
insert into db.out select customer_id as k, -discount as v where day > '2026-01-01'

--# name: pivot with two in-values and an alias
region = db.sales.region
jan = A:db.sales.amount C:db.sales.month
feb = A:db.sales.amount C:db.sales.month
rows = G:db.sales.region
--
select region, jan, feb from (select region, month, amount from db.sales) pivot (sum(amount) for month in ('1' as jan, '2' as feb))

--# name: unpivot including nulls
id = db.monthly.id
m =
v = db.monthly.jan db.monthly.feb
--
select id, m, v from db.monthly unpivot include nulls (v for m in (jan, feb))

--# name: transform with an index and a struct field
skus = T:db.orders.lines
big = T:db.orders.lines
--
select transform(lines, (l, i) -> concat(l.sku, i)) as skus, filter(lines, l -> l.qty > 10) as big from db.orders

--# name: positional group by and order by over a cte
month = db.sales.month
total = A:db.sales.amount
rows = G:db.sales.month S:db.sales.amount F:db.sales.region
--
with s as (select month, amount from db.sales where region <> 'x')
select month, sum(amount) as total from s group by 1 order by 2 desc

--# name: lateral view over a map of structs then a join
u = lake.users.name
sku = T:lake.clicks.items
rows = J:lake.clicks.user J:lake.users.user
--
select u.name as u, i.sku as sku from lake.clicks c lateral view outer explode(c.items) t as i join lake.users u on c.user = u.user

--# name: window with named window and nth value
top = T:lake.users.name W:lake.users.country W:lake.users.updated
n = W:lake.users.country W:lake.users.updated
--
select first_value(name) over w as top, dense_rank() over w as n from lake.users window w as (partition by country order by updated desc)

--# name: except and intersect chained
id = db.orders.id
rows = F:db.customers.id F:w.cust.id
--
select id from db.orders except select id from db.customers intersect select id from w.cust

--# name: insert overwrite directory
id = db.orders.id
rows = F:db.orders.amount
--
insert overwrite directory '/tmp/out' using parquet select id from db.orders where amount > 0

--# name: correlated exists and scalar subquery in one select
id = db.orders.id
n = A:db.customers.name F:db.customers.id
rows = F:w.cust.id F:db.orders.customer_id
--
select o.id, (select max(c.name) from db.customers c where c.id = o.customer_id) as n from db.orders o
where exists (select 1 from w.cust x where x.id = o.customer_id)

--# name: cluster of nested struct updates by named_struct
s = T:db.orders.ship
city = T:db.orders.ship
--
select named_struct('lat', ship.geo.lat, 'n', upper(ship.city)) as s, ship.city as city from db.orders

--# name: natural full outer join
id = T:db.orders.id T:db.monthly.id
jan = db.monthly.jan
rows = J:db.orders.id J:db.monthly.id
--
select id, jan from db.orders natural full outer join db.monthly

--# name: explode of a map with names in the select list
id = db.orders.id
k = T:db.orders.attrs
v = T:db.orders.attrs
--
select id, explode(attrs) as (k, v) from db.orders

--# name: posexplode_outer in a lateral view with a filter
id = db.orders.id
sku = T:db.orders.lines
rows = F:db.orders.lines
--
select o.id, l.sku from db.orders o lateral view outer posexplode(o.lines) t as pos, l where l.qty > pos

--# name: lateral view of a generator over a generator
user = lake.clicks.user
t = T:lake.clicks.items
--
select c.user, t from lake.clicks c lateral view explode(c.items) x as item lateral view explode(item.tags) y as t

--# name: transform with a lambda over two arguments and a column
r = T:w.fact.arr T:w.fact.k
s = T:w.fact.arr T:w.fact.amt
--
select transform(arr, (x, i) -> x + i + k) as r, aggregate(arr, 0, (acc, x) -> acc + x, acc -> acc * amt) as s from w.fact

--# name: map functions with lambdas
a = T:w.fact.m
b = T:w.fact.m T:w.fact.cust
--
select map_filter(m, (key, val) -> val > 1) as a, transform_values(m, (key, val) -> val + cust) as b from w.fact

--# name: nested struct fields and stars
a = T:w.fact.s
c = T:w.fact.s
--
select s.a, s.b.c from w.fact

--# name: star of a struct
a = T:w.fact.s
b = T:w.fact.s
--
select s.* from w.fact

--# name: star except of a joined side
nm = w.cust.nm
seg = w.cust.seg
k = w.fact.k
rows = J:w.fact.cust J:w.cust.id
--
select c.* except (id), f.k from w.fact f join w.cust c on f.cust = c.id

--# name: insert with a column list turned round
writes: w.cust
seg = db.customers.name
id = db.customers.id
nm = db.customers.city
--
insert into w.cust (seg, id, nm) select name, id, city from db.customers

--# name: insert by name
writes: w.cust
nm = db.customers.name
id = db.customers.id
--
insert into w.cust by name select name as nm, id from db.customers

--# name: insert replace where
writes: w.cust
id = db.customers.id
nm = db.customers.name
seg = db.customers.city
--
insert into w.cust replace where id > 3 select id, name, city from db.customers

--# name: merge with three matched branches and insert star
writes: w.cust
status: partial
reason: merge-keeps-other-values
nm = db.customers.name
seg = T:db.customers.city
id = db.customers.id
rows = J:w.cust.id J:db.customers.id F:db.customers.email F:w.cust.seg
--
merge into w.cust t using db.customers s on t.id = s.id
when matched and s.email is null then delete
when matched and t.seg = 'x' then update set t.nm = s.name
when matched then update set seg = upper(s.city)
when not matched then insert (id, nm) values (s.id, s.name)

--# name: update with a subquery in the condition
writes: w.cust
status: partial
reason: update-keeps-other-values
seg =
rows = F:w.cust.id F:w.fact.cust F:w.fact.amt
--
update w.cust set seg = 'big' where id in (select cust from w.fact where amt > 9)

--# name: delete with exists
writes: w.cust
status: partial
reason: statement:delete
rows = F:w.cust.id F:w.fact.cust
--
delete from w.cust c where not exists (select 1 from w.fact f where f.cust = c.id)

--# name: ctas partitioned with a location
writes: w.daily
dt = w.fact.dt
amt = A:w.fact.amt
rows = G:w.fact.dt
--
create table w.daily using delta partitioned by (dt) location 's3://x' as select dt, sum(amt) as amt from w.fact group by dt

--# name: create table like
writes: w.cust2
status: unknown
reason: no-query
--
create table w.cust2 like w.cust

--# name: shallow clone
writes: w.cust3
id = w.cust.id
nm = w.cust.nm
seg = w.cust.seg
--
create table w.cust3 shallow clone w.cust

--# name: time travel by version in a join
k = w.fact.k
nm = w.cust.nm
rows = J:w.fact.cust J:w.cust.id
--
select f.k, c.nm from w.fact version as of 3 f join w.cust timestamp as of '2026-01-01' c on f.cust = c.id

--# name: pivot with two columns in the for clause
region = db.sales.region
a = A:db.sales.amount C:db.sales.month C:db.sales.cost
b = A:db.sales.amount C:db.sales.month C:db.sales.cost
rows = G:db.sales.region
--
select * from db.sales pivot (sum(amount) for (month, cost) in (('1', 2) as a, ('2', 3) as b))

--# name: unpivot with names
id = db.monthly.id
m =
v = db.monthly.jan db.monthly.feb
mar = db.monthly.mar
--
select id, m, v, mar from db.monthly unpivot (v for m in (jan as `January`, feb as `February`))

--# name: grouping sets written in the old way
city = db.customers.city
name = db.customers.name
n = A:db.customers.id
rows = G:db.customers.city G:db.customers.name
--
select city, name, count(id) as n from db.customers group by city, name grouping sets ((city), (city, name))

--# name: group by all with having
city = db.customers.city
n = A:db.customers.id
rows = G:db.customers.city F:db.customers.id
--
select city, count(distinct id) as n from db.customers group by all having count(distinct id) > 1

--# name: hints and a semi join with using
k = w.fact.k
rows = J:w.fact.cust J:w.cust.id
--
select /*+ broadcast(c), repartition(3) */ f.k from w.fact f left semi join w.cust c on c.id = f.cust

--# name: lateral alias that a column hides
cust = T:w.fact.amt
q = T:w.fact.cust
--
select amt * 2 as cust, cust + 1 as q from w.fact

--# name: lateral alias chain in one list
a = T:w.fact.amt
b = T:w.fact.amt
c = T:w.fact.amt T:w.fact.k
--
select amt + 1 as a, a * 2 as b, b + k as c from w.fact

--# name: union by position of stars
id = w.cust.id db.customers.id
nm = w.cust.nm db.customers.name
seg = w.cust.seg db.customers.city
--
select * from w.cust union all select id, name, city from db.customers

--# name: table-valued function
id = 
--
select id from range(10)

--# name: json path operator and get_json_object
a = T:lake.clicks.url
b = T:lake.clicks.url
--
select get_json_object(url, '$.a') as a, from_json(url, 'b int').b as b from lake.clicks

--# name: json_tuple in a lateral view
user = lake.clicks.user
p = T:lake.clicks.url
q = T:lake.clicks.url
--
select c.user, p, q from lake.clicks c lateral view json_tuple(c.url, 'p', 'q') j as p, q

--# name: qualified names of a catalog
nm = w.cust.nm
--
select w.cust.nm from spark_catalog.w.cust

--# name: filter and window in one expression
s = A:w.fact.amt F:w.fact.k
r = A:w.fact.amt W:w.fact.dt
rows = G:w.fact.dt
--
select s, r from (select sum(amt) filter (where k > 1) as s, max(sum(amt)) over (order by dt) as r from w.fact group by dt)

--# name: hive insert overwrite with static partition
writes: w.cust
id = db.customers.id
nm = db.customers.name
--
insert overwrite table w.cust partition (seg = 'x') select id, name from db.customers

--# name: multi insert of hive with filters
output: w.b
writes: w.b
id = w.fact.k
rows = F:w.fact.amt
--
from w.fact insert overwrite table w.a select k where amt > 1 insert overwrite table w.b select k as id where amt < 1

--# name: lateral view over a split with an alias
id = w.cust.id
part = T:w.cust.nm
rows = F:w.cust.nm
--
select id, part from w.cust lateral view explode(split(nm, ',')) t as part where part <> ''

--# name: collect list of a struct sorted
l = A:w.fact.k A:w.fact.amt
rows = G:w.fact.cust
--
select sort_array(collect_list(struct(k, amt))) as l from w.fact group by cust

--# name: lag in a case in a sum
s = A:w.fact.amt C:w.fact.k W:w.fact.dt
--
select sum(case when k > lag(k) over (order by dt) then amt end) over (order by dt) as s from (select k, amt, dt from w.fact) f

--# name: left anti with a subquery in from
id = w.cust.id
rows = J:w.cust.id J:w.fact.cust
--
select c.id from w.cust c left anti join (select distinct cust from w.fact) f on f.cust = c.id

--# name: struct update by withfield style functions
s = T:w.fact.s T:w.fact.k
--
select named_struct('a', s.a + k, 'b', s.b) as s from w.fact

--# name: map from entries and explode
k = T:w.fact.m
v = T:w.fact.m
--
select k, v from (select explode(map_filter(m, (a, b) -> b > 0)) as (k, v) from w.fact)

--# name: temp view chain in a script
writes: w.out
id = w.fact.k
t = A:w.fact.amt
rows = F:w.fact.dt G:w.fact.k
--
create temporary view v1 as select k, amt from w.fact where dt > '2026-01-01';
create or replace temporary view v2 as select k as id, sum(amt) as t from v1 group by k;
insert overwrite w.out select * from v2;

--# name: no schema, star of a known subquery
schema: none
writes: t2
a = t1.a
b = A:t1.b
rows = G:t1.a
--
insert into t2 select * from (select a, sum(b) as b from t1 group by a) q

--# name: cte before insert overwrite directory
writes: /x
id = w.fact.k
--
with t as (select k as id from w.fact) insert overwrite directory '/x' using parquet select id from t

--# name: window frame by range interval
a = A:w.fact.amt W:w.fact.cust W:w.fact.dt
--
select avg(amt) over (partition by cust order by dt range between interval 7 days preceding and current row) as a from w.fact

--# name: from_json with a struct star
a = T:w.cust.nm
b = T:w.cust.nm
--
select j.a, j.b from (select from_json(nm, 'a int, b string') as j from w.cust)

--# name: lateral alias and explode together
id = db.orders.id
sku = T:db.orders.lines
q = T:db.orders.lines
--
select id, l.sku as sku, l.qty * 2 as q from (select id, explode(lines) as l from db.orders)

--# name: insert overwrite with a dynamic and a static partition
writes: w.cust
id = db.customers.id
nm = db.customers.name
seg = db.customers.city
--
insert overwrite table w.cust partition (seg) select id, name, city from db.customers

--# name: lateral subquery correlated with an aggregate
id = w.cust.id
t = A:w.fact.amt
rows = F:w.fact.cust F:w.cust.id
--
select c.id, x.t from w.cust c, lateral (select sum(amt) as t from w.fact f where f.cust = c.id) x

--# name: window with a struct order
r = W:w.fact.cust W:w.fact.s
--
select rank() over (partition by cust order by s.a desc, s.b.c) as r from w.fact

--# name: array sort with a comparator
a = T:w.fact.arr
--
select array_sort(arr, (l, r) -> case when l < r then 1 else -1 end) as a from w.fact

--# name: zip_with and reduce over two columns
z = T:w.fact.arr T:w.fact.m
--
select zip_with(arr, map_values(m), (x, y) -> x + y) as z from w.fact

--# name: stack in a lateral view
id = db.monthly.id
m =
v = T:db.monthly.jan T:db.monthly.feb
--
select id, m, v from db.monthly lateral view stack(2, 'jan', jan, 'feb', feb) s as m, v

--# name: grouping id with rollup
c = db.customers.city
g = A:db.customers.city
rows = G:db.customers.city
--
select city as c, grouping(city) as g from db.customers group by rollup (city)

--# name: cte in a subquery in from with a hint
k = w.fact.k
rows = J:w.fact.cust J:w.cust.id
--
select /*+ merge(q) */ q.k from (with f as (select k, cust from w.fact) select * from f) q join w.cust c on c.id = q.cust

--# name: merge with schema evolution and insert star
writes: w.cust
status: partial
reason: merge-keeps-other-values
id = db.customers.id
nm = db.customers.name
seg = db.customers.city
rows = J:w.cust.id J:db.customers.id
--
merge with schema evolution into w.cust t using (select id, name as nm, city as seg from db.customers) s on t.id = s.id when matched then update set * when not matched then insert *

--# name: named arguments and a lateral generator call
user = lake.clicks.user
p = T:lake.clicks.props
--
select c.user, e.value as p from lake.clicks c, lateral explode(c.props) as e(key, value)

--# name: no schema, a field of a struct over a cte with a star
schema: none
country = T:clicks.geo
n =
rows = G:clicks.geo
--
with c as (select * from clicks) select geo.country, count(1) as n from c group by country

--# name: a table by its name in a string
writes: lake.names
name = lake.users.name
--
insert into identifier('lake.names') select name from identifier('lake.users')

--# name: a table made like another
writes: db.orders_of_today
status: unknown
reason: no-query
--
create table db.orders_of_today like db.orders

--# name: no schema, a lateral view over another
schema: none
k = baskets.k
line = T:baskets.body
tag = T:baskets.body
--
select k, line, tag from baskets lateral view explode(body) b as line lateral view outer explode(line) t as tag

--# name: no schema, a lateral view beside a join is ambiguous
schema: none
status: partial
reason: ambiguous-column:body
k = baskets.k
line = ?
rows = J:baskets.k J:shops.k
--
select baskets.k, line from baskets join shops on baskets.k = shops.k lateral view explode(body) b as line

--# name: no schema, sorted by the place in a star
schema: none
status: unknown
reason: star-unresolved
* = ?
rows = S:baskets.k
--
select * from baskets order by 1 nulls last, k

--# name: a table is filled by a star with two columns of one name
writes: w.cust
id = w.fact.k
nm = T:w.fact.amt
seg = w.cust.seg
rows = J:w.fact.cust J:w.cust.id
--
insert into w.cust select * from (select f.k, upper(f.amt) as k, c.seg from w.fact f join w.cust c on f.cust = c.id) s

--# name: a lateral view over a constant
part =
id = db.orders.id
--
select part, id from (select 'a,b' as parts, id from db.orders) s lateral view explode(split(parts, ',')) p as part

--# name: a function is no table
status: unknown
reason: no-query
--
create temporary function plus_one as 'org.example.PlusOne' using jar '/opt/plus.jar'

--# name: columns that functions name themselves
id = db.orders.id
sku = T:db.orders.lines
qty = T:db.orders.lines
--
select id, «sku,qty»inline(lines) from db.orders

--# name: keys and values of a map without names
key = T:db.orders.attrs
value = T:db.orders.attrs
rows = F:db.orders.attrs
--
select key, value from (select id, explode(attrs) from db.orders) where key <> 'x'

--# name: elements of an array without a name
pos = T:db.orders.tags
col = T:db.orders.tags
--
select posexplode(tags) from db.orders

--# name: rows of a stack without names
col0 =
col1 = T:db.monthly.jan T:db.monthly.feb
--
select stack(2, 'jan', jan, 'feb', feb) from db.monthly

--# name: rows through a program
status: partial
reason: transform-script
who = T:db.orders.customer_id T:db.orders.amount
score = T:db.orders.customer_id T:db.orders.amount
rows = F:db.orders.status
--
select transform (customer_id, amount) using 'score.py' as (who, score) from db.orders where status = 'paid'

--# name: files that are loaded
writes: db.customers
status: partial
reason: copy
--
load data inpath '/in/customers' overwrite into table db.customers partition (city = 'x')

--# name: a function of rows in a script
writes: db.paid
id = db.orders.id
rows = F:db.orders.status
--
create or replace function with_status(s string) returns table (id bigint) return select id from db.orders where status = s;
create table db.paid as select id from with_status('paid')

--# name: multi insert over a lateral view
output: db.skus
writes: db.skus
sku = T:db.orders.lines
rows = F:db.orders.lines
--
from db.orders lateral view explode(lines) t as line
insert overwrite table db.ids select id
insert overwrite table db.skus select line.sku where line.qty > 1
