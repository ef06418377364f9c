--# tables: public.orders(id bigint, customer_id bigint, amount numeric, discount numeric, status text, day date, tags text[], doc jsonb)
--# tables: public.customers(id bigint, name text, email text, city text, parent_id bigint)
--# tables: public.items(order_id bigint, sku text, qty int, price numeric)
--# tables: audit.log(id bigint, at timestamptz, what text)
--# tables: public.Mixed(Id bigint, id bigint, "Full Name" text)
--# tables: shop.users(id uuid, email citext, signup timestamptz, referrer uuid, profile jsonb, active boolean)
--# tables: shop.sessions(id uuid, user_id uuid, started timestamptz, pages int, utm text)
--# tables: shop.payments(id uuid, user_id uuid, cents bigint, currency text, paid timestamptz, refunded boolean)
--# tables: hr.emp(id int, mgr int, dept int, sal numeric, hired date, name text)
--# tables: hr.dept(id int, name text, loc text)
--# tables: hr.audit(emp int, old numeric, new numeric, at timestamptz)

--# name: a temporary table that is emptied and filled again
writes: audit.log
id = public.customers.id
what = public.customers.city
--
create temp table work as select id, status as word from orders;
truncate work;
insert into work select id, city from customers;
insert into audit.log (id, what) select id, word from work

--# name: a table that is emptied and filled
writes: audit.log
id = public.orders.id
--
truncate table audit.log;
insert into audit.log (id) select id from orders

--# name: a star over what is known and what is not
status: partial
reason: star-unresolved:far
id = public.customers.id
name = public.customers.name
email = public.customers.email
city = public.customers.city
parent_id = public.customers.parent_id
* = ?
rows = J:public.customers.id J:far.id
--
select * from customers c join far on far.id = c.id

--# name: what is known and what is not in another order
status: partial
reason: star-unresolved:far
* = ?
id = hr.dept.id
name = hr.dept.name
loc = hr.dept.loc
one =
--
select f.*, d.*, 1 as one from hr.dept d, far f

--# name: read through a star over what is known and what is not
id = public.customers.id
colour = far.colour
rows = J:public.customers.id J:far.key
--
with both_of_them as (select * from customers c join far on far.key = c.id) select id, colour from both_of_them

--# name: replaced rows
writes: audit.log
id = public.orders.id
what = T:public.orders.status
--
replace into audit.log (id, what) select id, lower(status) from orders

--# name: a query in a string that is unloaded
writes: s3://shelf/orders_
id = public.orders.id
word = T:public.orders.status
rows = F:public.orders.status
--
unload ('select «id»id, «word»coalesce(status, ''none'') as word from orders where status <> ''old''')
to 's3://shelf/orders_' iam_role default parquet

--# name: an update that adds
writes: items
status: partial
reason: update-keeps-other-values
qty = public.orders.id
rows = J:public.items.order_id J:public.orders.id
--
update items set qty += o.id from items join orders o on o.id = items.order_id

--# name: schema by search path
writes: audit.log
id = shop.payments.id
what = shop.payments.currency
--
set search_path to shop;
insert into audit.log (id, what) select id, currency from payments

--# name: a search path of several schemas says of none
schema: none
writes: kept
id = payments.id
--
set search_path to shop, public;
create table kept as select id from payments

--# name: merge that inserts by position
writes: audit.log
status: partial
reason: merge-keeps-other-values
id = public.orders.id
at =
what = T:public.orders.status public.orders.status
rows = J:public.orders.id J:audit.log.id
--
merge into audit.log l using orders o on o.id = l.id
when matched then update set what = o.status
when not matched then insert values (o.id, now(), upper(o.status))

--# name: a query in values reads nothing around it
schema: none
writes: kept
many = A:far.id
--
insert into kept (many) values ((select count(id) from far))

--# name: a star of one of two unknown tables
schema: none
status: unknown
reason: star-unresolved:near
rows = J:near.id J:far.id
* = ?
--
select near.* from near join far on far.id = near.id

--# name: an unknown star below common table expressions
schema: none
status: unknown
reason: star-unresolved:far,near
* = ?
--
with a as (select * from far), b as (select * from a union all select * from near) select * from b

--# name: schema-qualified
id = public.orders.id
what = audit.log.what
rows = J:public.orders.id J:audit.log.id
--
select «id»o.id, «what»l.what from public.orders o join audit.log l on l.id = o.id

--# name: default schema is found by the tail
id = public.orders.id
--
select id from orders

--# name: column with its table's full name
id = public.orders.id
--
select public.orders.id from public.orders

--# name: distinct on
customer_id = public.orders.customer_id
amount = public.orders.amount
rows = G:public.orders.customer_id S:public.orders.customer_id S:public.orders.day
--
select distinct on (customer_id) customer_id, amount from orders order by customer_id, day desc

--# name: lateral
id = public.customers.id
amount = public.orders.amount
rows = F:public.orders.customer_id F:public.customers.id S:public.orders.day
--
select c.id, o.amount from customers c
cross join lateral (select amount from orders where customer_id = c.id order by day desc limit 1) o

--# name: left join lateral on true
id = public.customers.id
n =
rows = F:public.orders.customer_id F:public.customers.id
--
select c.id, o.n from customers c left join lateral (select count(*) as n from orders where customer_id = c.id) o on true

--# name: insert returning
writes: audit.log
id = public.orders.id
what = public.orders.status
--
insert into audit.log (id, what) select id, status from orders returning id

--# name: upsert that adds to what is there
writes: public.items
order_id = public.orders.id
qty = T:public.items.qty T:public.orders.discount T:public.orders.discount
--
insert into public.items as i (order_id, qty) select id, discount::int from orders
on conflict (order_id) do update set qty = i.qty + excluded.qty

--# name: data-modifying cte
writes: audit.log
id = public.orders.id
what = public.orders.status
rows = F:public.orders.day
--
with gone as (delete from orders where day < '2020-01-01' returning id, status)
insert into audit.log (id, what) select id, status from gone

--# name: select into
writes: fresh
id = public.orders.id
--
select id into fresh from orders

--# name: create table as with no data
writes: fresh
id = public.orders.id
--
create table if not exists fresh as select id from orders with no data

--# name: materialized view
writes: mv
city = public.customers.city
n =
rows = G:public.customers.city
--
create materialized view mv as select city, count(*) as n from customers group by city

--# name: update with alias and from
writes: public.orders
status: partial
reason: update-keeps-other-values
discount = public.items.price
status =
rows = F:public.orders.id F:public.items.order_id
--
update public.orders as o set discount = i.price, status = 'x' from items i where i.order_id = o.id

--# name: update of several columns from a subquery
writes: customers
status: partial
reason: update-keeps-other-values
name = A:public.orders.status F:public.orders.customer_id F:public.customers.id
city = A:public.orders.day F:public.orders.customer_id F:public.customers.id
--
update customers set (name, city) = (select max(status), max(day)::text from orders o where o.customer_id = customers.id)

--# name: update with cte
writes: orders
status: partial
reason: update-keeps-other-values
amount = A:public.items.price
rows = G:public.items.order_id F:public.orders.id F:public.items.order_id
--
with t as (select order_id, sum(price) as total from items group by order_id)
update orders set amount = t.total from t where t.order_id = orders.id

--# name: delete using
writes: orders
status: partial
reason: statement:delete
rows = F:public.orders.customer_id F:public.customers.id F:public.customers.city
--
delete from orders using customers c where c.id = orders.customer_id and c.city = 'x'

--# name: truncate
status: unknown
reason: statement:
--
truncate table orders

--# name: recursive org chart
id = public.customers.id
root = public.customers.name
depth =
rows = F:public.customers.parent_id J:public.customers.parent_id J:public.customers.id
--
with recursive chart as (
  select id, name as root, 1 as depth from customers where parent_id is null
  union all
  select c.id, chart.root, chart.depth + 1 from customers c join chart on c.parent_id = chart.id
)
select id, root, depth from chart

--# name: recursive with two columns that swap
a = public.orders.id public.orders.customer_id
b = public.orders.customer_id public.orders.id
rows = F:public.orders.id F:public.orders.customer_id
--
with recursive r(a, b) as (
  select id, customer_id from orders
  union
  select b, a from r where a > 0
)
select a, b from r

--# name: jsonb access
sku = T:public.orders.doc
w = T:public.orders.doc
--
select doc ->> 'sku' as sku, (doc #>> '{size,w}')::int as w from orders

--# name: jsonb each
id = public.orders.id
key = T:public.orders.doc
value = T:public.orders.doc
--
select o.id, e.key, e.value from orders o, jsonb_each(o.doc) e

--# name: jsonb_to_recordset
a = T:public.orders.doc
b = T:public.orders.doc
--
select x.a, x.b from orders o, jsonb_to_recordset(o.doc) as x(a int, b text)

--# name: unnest with ordinality
tag = T:public.orders.tags
nr = T:public.orders.tags
--
select t.tag, t.nr from orders o, unnest(o.tags) with ordinality as t(tag, nr)

--# name: unnest in the select list
id = public.orders.id
tag = T:public.orders.tags
--
select id, unnest(tags) as tag from orders

--# name: generate_series
d = 
--
select d from generate_series(date '2026-01-01', date '2026-02-01', interval '1 day') as g(d)

--# name: array subquery
skus = T:public.items.sku F:public.items.order_id F:public.orders.id S:public.items.qty
--
select array(select i.sku from items i where i.order_id = o.id order by i.qty) as skus from orders o

--# name: row_to_json of a whole row
j = T:public.items.order_id T:public.items.sku T:public.items.qty T:public.items.price
--
select row_to_json(i) as j from items i

--# name: whole row of a subquery
j = T:public.items.sku
--
select row_to_json(t) as j from (select sku from items) t

--# name: json_agg of a whole row
j = A:public.items.order_id A:public.items.sku A:public.items.qty A:public.items.price
--
select json_agg(i) as j from items i

--# name: json_build_object
j = T:public.orders.id T:public.orders.amount
--
select json_build_object('id', id, 'amount', amount) as j from orders

--# name: string_agg with order
names = A:public.customers.name S:public.customers.id
rows = G:public.customers.city
--
select string_agg(name, ', ' order by id) as names from customers group by city

--# name: percentile within group
p = A:public.orders.amount
--
select percentile_cont(0.5) within group (order by amount) as p from orders

--# name: filter clause
n = F:public.orders.status
--
select count(*) filter (where status = 'x') as n from orders

--# name: using merges the column
id = T:public.orders.id T:audit.log.id
what = audit.log.what
rows = J:public.orders.id J:audit.log.id
--
select id, what from orders join audit.log using (id)

--# name: full join using
id = T:public.orders.id T:audit.log.id
rows = J:public.orders.id J:audit.log.id
--
select id from orders full join audit.log using (id)

--# name: right join
id = public.orders.id
name = public.customers.name
rows = J:public.customers.id J:public.orders.customer_id
--
select o.id, c.name from customers c right join orders o on c.id = o.customer_id

--# name: comma join
id = public.orders.id
name = public.customers.name
rows = F:public.customers.id F:public.orders.customer_id
--
select o.id, c.name from orders o, customers c where c.id = o.customer_id

--# name: self join
name = public.customers.name
boss = public.customers.name
rows = J:public.customers.parent_id J:public.customers.id
--
select c.name, p.name as boss from customers c join customers p on p.id = c.parent_id

--# name: order by ordinal and by expression
id = public.orders.id
rows = S:public.orders.id S:public.orders.amount S:public.orders.discount
--
select id from orders order by 1, amount - discount

--# name: having
city = public.customers.city
rows = G:public.customers.city F:public.customers.id
--
select city from customers group by city having count(distinct id) > 3

--# name: rollup
city = public.customers.city
total = A:public.customers.id
rows = G:public.customers.city
--
select city, sum(id) as total from customers group by rollup (city)

--# name: window over an aggregate
city = public.customers.city
rank = W:public.customers.id
rows = G:public.customers.city
--
select city, rank() over (order by sum(id) desc) as rank from customers group by city

--# name: window frame exclude
v = T:public.orders.amount W:public.orders.day
--
select first_value(amount) over (order by day groups between unbounded preceding and current row exclude ties) as v from orders

--# name: union of three with order by
x = public.orders.id public.customers.id audit.log.id
rows = S:public.orders.id S:public.customers.id S:audit.log.id
--
select id as x from orders union select id from customers union all select id from audit.log order by x

--# name: set operations in parentheses
id = public.orders.id public.customers.id
rows = F:audit.log.id
--
(select id from orders union select id from customers) except select id from audit.log

--# name: union inside a cte with a star
id = public.orders.id public.customers.id
v = public.orders.status public.customers.name
--
with u as (select id, status as v from orders union all select id, name from customers) select * from u

--# name: case-sensitive columns
a = public.Mixed.Id
b = public.Mixed.id
c = public.Mixed.Full Name
--
select "Id" as a, id as b, "Full Name" as c from "Mixed"

--# name: case-sensitive star
Id = public.Mixed.Id
id = public.Mixed.id
Full Name = public.Mixed.Full Name
--
select * from "Mixed"

--# name: cte names in quotes differ by case
x = public.orders.id
y = public.customers.id
--
with "A" as (select id from orders), a as (select id from customers) select "A".id as x, a.id as y from "A", a

--# name: a cte hides a table of the same name
id = public.customers.id
--
with orders as (select id from customers) select id from orders

--# name: a cte that reads the table it hides
id = public.orders.id
rows = F:public.orders.amount
--
with orders as (select id from public.orders where amount > 3) select id from orders

--# name: nested ctes
id = public.orders.id
rows = F:public.orders.day
--
with a as (with b as (select id from orders where day > now()) select id from b) select id from a

--# name: scalar subquery with limit
id = public.orders.id
last = audit.log.what F:audit.log.id F:public.orders.id S:audit.log.at
--
select o.id, (select what from audit.log l where l.id = o.id order by at desc limit 1) as last from orders o

--# name: subquery in case
x = T:public.orders.id F:public.customers.id F:public.orders.customer_id
--
select case when exists (select 1 from customers c where c.id = o.customer_id) then o.id + 1 end as x from orders o

--# name: in a value list
id = public.orders.id
rows = F:public.orders.status
--
select id from orders where status in ('a', 'b')

--# name: any of an array
id = public.orders.id
rows = F:public.orders.status F:public.orders.tags
--
select id from orders where status = any(tags)

--# name: date arithmetic and cast
d = T:public.orders.day
s = T:public.orders.amount
--
select date_trunc('month', day) + interval '1 month' as d, amount::text as s from orders

--# name: greatest and least
m = T:public.orders.amount T:public.orders.discount
--
select greatest(amount, discount, 0) as m from orders

--# name: masking
h = T:public.customers.email!
s = T:public.customers.email!
--
select md5(email) as h, encode(sha256(email::bytea), 'hex') as s from customers

--# name: table statement
id = audit.log.id
at = audit.log.at
what = audit.log.what
--
table audit.log

--# name: sql function
status: partial
reason: routine
total = A:public.orders.amount
rows = F:public.orders.customer_id
--
create function total_of(c bigint) returns numeric language sql as $$
  select sum(amount) as total from orders where customer_id = c
$$

--# name: plpgsql procedure
writes: audit.log
status: partial
reason: routine
id = public.orders.id
what = public.orders.status
rows = F:public.orders.day
--
create procedure archive(before date) language plpgsql as $$
declare
  n int;
begin
  if before is null then
    raise exception 'no date';
  end if;
  insert into audit.log (id, what) select id, status from orders where day < before;
  delete from orders where day < before;
  commit;
end;
$$

--# name: temp table, then insert, in one script
writes: audit.log
id = public.orders.id
what = T:public.orders.status
rows = F:public.orders.day
--
create temporary table late on commit drop as select id, status from orders where day < now();
insert into audit.log (id, what) select id, 'late ' || status from late;

--# name: temp table filled by insert
writes: audit.log
id = public.orders.id public.customers.id
--
create temp table s (id bigint);
insert into s select id from orders;
insert into s select id from customers;
insert into audit.log (id) select id from s

--# name: copy a query out
writes: out.csv
id = public.orders.id
--
copy (select id from orders) to 'out.csv' with csv

--# name: explain runs nothing
status: unknown
reason: statement:
--
explain select id from orders

--# name: values as a table
a =
b = public.orders.status
rows = J:public.orders.id
--
select v.a, o.status as b from orders o join (values (1, 2)) as v(a, k) on v.k = o.id

--# name: overlay of comments
id = public.orders.id
--
select /* the key */ «id»id -- of the order
from orders -- all of them

--# name: unresolved column of a known table
status: partial
reason: unresolved-column:nothing
x = public.orders.nothing
--
select o.nothing as x from orders o

--# name: bool expression
late = T:public.orders.day T:public.orders.status
--
select (day < now() and status <> 'done') as late from orders

--# name: sessionised funnel
user_id = shop.sessions.user_id
gap = T:shop.sessions.started W:shop.sessions.user_id W:shop.sessions.started
--
select user_id, started - lag(started) over (partition by user_id order by started) as gap from shop.sessions

--# name: cohort
cohort = T:shop.users.signup
paid = A:shop.payments.cents
rows = J:shop.users.id J:shop.payments.user_id G:shop.users.signup J:shop.payments.refunded F:shop.payments.refunded S:shop.users.signup
--
select date_trunc('month', u.signup)::date as cohort, sum(p.cents) / 100.0 as paid
from shop.users u left join shop.payments p on p.user_id = u.id and not p.refunded
where p.refunded is distinct from true
group by 1 order by 1

--# name: referral tree with a path
id = shop.users.id
path = T:shop.users.id
rows = F:shop.users.referrer J:shop.users.referrer J:shop.users.id
--
with recursive t as (
  select id, array[id] as path from shop.users where referrer is null
  union all
  select u.id, t.path || u.id from shop.users u join t on u.referrer = t.id
) select id, path from t

--# name: json profile
city = T:shop.users.profile
tags = T:shop.users.profile
--
select profile -> 'address' ->> 'city' as city, jsonb_array_elements_text(profile -> 'tags') as tags from shop.users

--# name: latest payment per user by lateral
email = shop.users.email
cents = shop.payments.cents
rows = F:shop.payments.user_id F:shop.users.id S:shop.payments.paid
--
select u.email, p.cents from shop.users u
left join lateral (select * from shop.payments p where p.user_id = u.id order by p.paid desc limit 1) p on true

--# name: upsert of totals
writes: shop.totals
user_id = shop.payments.user_id
cents = A:shop.payments.cents A:shop.payments.cents T:shop.totals.cents
rows = G:shop.payments.user_id
--
insert into shop.totals (user_id, cents)
select user_id, sum(cents) from shop.payments group by user_id
on conflict (user_id) do update set cents = shop.totals.cents + excluded.cents

--# name: update from a cte with row number
writes: shop.users
status: partial
reason: update-keeps-other-values
active =
rows = F:shop.sessions.user_id F:shop.sessions.started F:shop.users.id
--
with last as (select user_id, row_number() over (partition by user_id order by started desc) as rn from shop.sessions)
update shop.users u set active = true from last where last.user_id = u.id and last.rn = 1

--# name: move rows in one statement
writes: shop.archive
id = shop.sessions.id
user_id = shop.sessions.user_id
pages = shop.sessions.pages
rows = F:shop.sessions.started
--
with moved as (delete from shop.sessions where started < now() - interval '1 year' returning id, user_id, pages)
insert into shop.archive (id, user_id, pages) select * from moved

--# name: view with a window and a filter on it
writes: shop.last_session
user_id = shop.sessions.user_id
utm = shop.sessions.utm
rows = F:shop.sessions.user_id F:shop.sessions.started
--
create or replace view shop.last_session as
select user_id, utm from (select s.*, row_number() over (partition by user_id order by started desc) as rn from shop.sessions s) x where rn = 1

--# name: aggregates of many kinds
n =
users = A:shop.sessions.user_id
med = A:shop.sessions.pages
utms = A:shop.sessions.utm S:shop.sessions.started
any_long = A:shop.sessions.pages
--
select count(*) as n, count(distinct user_id) as users, percentile_disc(0.5) within group (order by pages) as med,
       array_agg(utm order by started) as utms, bool_or(pages > 10) as any_long
from shop.sessions

--# name: highest per group by a join to its own maximum
name = hr.emp.name
sal = hr.emp.sal
rows = G:hr.emp.dept J:hr.emp.dept J:hr.emp.sal
--
select e.name, e.sal from hr.emp e join (select dept, max(sal) as m from hr.emp group by dept) g on g.dept = e.dept and g.m = e.sal

--# name: all comparison
name = hr.emp.name
rows = F:hr.emp.sal F:hr.emp.dept
--
select name from hr.emp where sal >= all (select sal from hr.emp where dept = 3)

--# name: two level correlation
n = hr.dept.name
rows = F:hr.emp.dept F:hr.dept.id F:hr.emp.mgr F:hr.emp.id
--
select d.name as n from hr.dept d where exists (
  select 1 from hr.emp e where e.dept = d.id and exists (select 1 from hr.emp m where m.id = e.mgr and m.dept = d.id))

--# name: update returning into a log
writes: hr.audit
status: complete
emp = hr.emp.id
new = hr.emp.sal
rows = F:hr.emp.dept
--
with u as (update hr.emp set sal = sal * 1.1 where dept = 3 returning id, sal) insert into hr.audit (emp, new) select id, sal from u

--# name: generated series left join
day =
hires = A:hr.emp.id
rows = J:hr.emp.hired
--
select g.day, count(e.id) as hires from generate_series('2026-01-01'::date, '2026-12-31', '1 day') as g(day) left join hr.emp e on e.hired = g.day group by g.day

--# name: set returning function over a column
w = T:hr.emp.name
--
select regexp_split_to_table(name, ' ') as w from hr.emp

--# name: nested row constructor
r = T:hr.emp.id T:hr.emp.name
--
select row(id, name) as r from hr.emp

--# name: case-insensitive keywords, quoted output
Total Pay = A:hr.emp.sal
rows = G:hr.emp.dept
--
SELECT SUM(Sal) AS "Total Pay" FROM HR.Emp GROUP BY Dept

--# name: materialized cte and a not materialized one
id = hr.emp.id
rows = F:hr.emp.sal F:hr.emp.dept
--
with a as materialized (select * from hr.emp where sal > 10), b as not materialized (select * from a where dept = 3) select id from b

--# name: trigger function body
status: partial
reason: routine
writes: hr.audit
--
create or replace function hr.log() returns trigger language plpgsql as $body$
begin
  insert into hr.audit (emp, old, new) values (new.id, old.sal, new.sal);
  return new;
end
$body$

--# name: update from with a lateral join
writes: customers
status: partial
reason: update-keeps-other-values
city = A:public.orders.status
rows = F:public.orders.customer_id F:public.customers.id
--
update customers c set city = x.top
from customers d cross join lateral (select max(o.status) as top from orders o where o.customer_id = d.id) x
where c.id = d.id

--# name: merge with do nothing and delete
writes: customers
status: partial
reason: merge-keeps-other-values
name = T:hr.emp.name
rows = J:public.customers.id J:hr.emp.id F:hr.emp.sal
--
merge into customers c using hr.emp e on c.id = e.id
when matched and e.sal > 10 then update set name = lower(e.name)
when matched then delete
when not matched then do nothing

--# name: recursive with a search depth column
id = hr.emp.id
depth =
path = hr.emp.name T:hr.emp.name
rows = F:hr.emp.mgr J:hr.emp.mgr J:hr.emp.id
--
with recursive t(id, depth, path) as (
  select e.id, 1, e.name from hr.emp e where e.mgr is null
  union all
  select e.id, t.depth + 1, t.path || '/' || e.name from hr.emp e join t on e.mgr = t.id
) select id, depth, path from t

--# name: aggregate with filter and within group
dept = hr.emp.dept
med = A:hr.emp.sal
old = A:hr.emp.sal F:hr.emp.hired
rows = G:hr.emp.dept
--
select dept, percentile_cont(0.5) within group (order by sal) as med, avg(sal) filter (where hired < '2000-01-01') as old from hr.emp group by 1

--# name: insert with on conflict and a subquery of itself
writes: hr.dept
id = hr.emp.dept
name = A:hr.emp.name T:hr.dept.name
rows = G:hr.emp.dept
--
insert into hr.dept (id, name) select e.dept, min(e.name) from hr.emp e group by e.dept on conflict (id) do update set name = coalesce(hr.dept.name, excluded.name)

--# name: rows from of two functions
a = 
b = 
--
select a, b from rows from (generate_series(1, 3), generate_series(5, 7)) as t(a, b)

--# name: distinct on with an expression order
user_id = shop.payments.user_id
last = shop.payments.cents
rows = G:shop.payments.user_id S:shop.payments.user_id S:shop.payments.paid
--
select distinct on (user_id) user_id, cents as last from shop.payments order by user_id, paid desc

--# name: jsonb path and array agg of a subquery
id = shop.users.id
pages = T:shop.sessions.pages S:shop.sessions.started F:shop.sessions.user_id F:shop.users.id
lang = T:shop.users.profile
--
select u.id, array(select s.pages from shop.sessions s where s.user_id = u.id order by s.started) as pages, u.profile #>> '{lang,0}' as lang from shop.users u

--# name: create materialized view with a union and a constant
writes: mv
id = public.orders.id public.customers.id
kind =
--
create materialized view mv as select id, 'o' as kind from orders union all select id, 'c' from customers with no data

--# name: plpgsql function with a loop
writes: hr.audit
status: partial
reason: routine
emp = hr.emp.id
old = hr.emp.sal
new = T:hr.emp.sal
rows = F:hr.emp.dept
--
create or replace function raise_all(d int) returns void language plpgsql as $$
declare r record;
begin
  for r in select id from hr.dept loop
    insert into hr.audit (emp, old, new) select e.id, e.sal, e.sal * 1.1 from hr.emp e where e.dept = d;
  end loop;
end $$

--# name: case inside an aggregate and a having on another
dept = hr.emp.dept
big = A:hr.emp.sal C:hr.emp.mgr
rows = G:hr.emp.dept F:hr.emp.id
--
select dept, sum(case when mgr is null then sal else 0 end) as big from hr.emp group by dept having count(id) > 3

--# name: values joined by using
id = public.customers.id
label =
rows = J:public.customers.id
--
select c.id, v.label from customers c join (values (1, 'a'), (2, 'b')) as v(k, label) on v.k = c.id

--# name: natural left join
id = T:public.orders.id T:audit.log.id
what = audit.log.what
rows = J:public.orders.id J:audit.log.id
--
select id, what from public.orders natural left join audit.log

--# name: update from two joined tables
writes: hr.emp
status: partial
reason: update-keeps-other-values
sal = T:hr.emp.sal T:hr.audit.new
rows = F:hr.emp.dept F:hr.dept.id J:hr.dept.id J:hr.audit.emp
--
update hr.emp e set sal = e.sal + a.new from hr.dept d join hr.audit a on a.emp = d.id where e.dept = d.id

--# name: update of one row by a tuple
writes: hr.dept
status: partial
reason: update-keeps-other-values
name = hr.emp.name
loc = T:hr.emp.dept
rows = F:hr.dept.id F:hr.emp.dept
--
update hr.dept d set (name, loc) = (e.name, e.dept::text) from hr.emp e where e.dept = d.id

--# name: delete using with a subquery
writes: hr.emp
status: partial
reason: statement:delete
rows = F:hr.emp.dept F:hr.dept.id F:hr.dept.loc
--
delete from hr.emp e using (select id from hr.dept where loc = 'x') d where d.id = e.dept

--# name: insert with columns turned round
writes: hr.dept
loc = hr.emp.name
id = hr.emp.dept
--
insert into hr.dept (loc, id) select name, dept from hr.emp

--# name: insert a table whole
writes: hr.audit
emp = hr.emp.id
old = hr.emp.mgr
new = hr.emp.dept
at = hr.emp.hired
--
insert into hr.audit select id, mgr, dept, hired from hr.emp

--# name: merge with two matched branches and a default
writes: hr.dept
status: partial
reason: merge-keeps-other-values
name = hr.emp.name
loc =
id = hr.emp.dept
rows = J:hr.dept.id J:hr.emp.dept F:hr.emp.sal
--
merge into hr.dept d using hr.emp e on d.id = e.dept
when matched and e.sal > 10 then update set name = e.name
when matched then update set loc = default
when not matched then insert (id, name) values (e.dept, e.name)

--# name: recursive with a cycle clause
id = hr.emp.id
mgr = hr.emp.mgr
rows = F:hr.emp.mgr J:hr.emp.mgr J:hr.emp.id
--
with recursive t as (select id, mgr from hr.emp where mgr is null
  union all select e.id, e.mgr from hr.emp e join t on e.mgr = t.id) cycle id set is_cycle using path
select id, mgr from t

--# name: chain of ctes that share column names
id = hr.emp.id
name = hr.dept.name
rows = J:hr.emp.dept J:hr.dept.id
--
with a as (select id, name, dept from hr.emp), b as (select id, name from hr.dept)
select a.id, b.name from a join b on a.dept = b.id

--# name: correlated subquery two levels up
n = A:shop.payments.cents F:shop.payments.user_id F:shop.users.id F:shop.sessions.user_id F:shop.sessions.pages
--
select (select sum(p.cents) from shop.payments p where p.user_id = u.id and exists (
  select 1 from shop.sessions s where s.user_id = u.id and s.pages > 3)) as n from shop.users u

--# name: array constructor and slices
xs = T:hr.emp.id T:hr.emp.mgr
one = T:public.orders.tags
rest = T:public.orders.tags
rows = J:hr.emp.id J:public.orders.id
--
select array[e.id, e.mgr] as xs, o.tags[1] as one, o.tags[2:3] as rest from hr.emp e join public.orders o on o.id = e.id

--# name: json paths and operators
a = T:public.orders.doc
b = T:public.orders.doc
c = T:public.orders.doc
d = T:public.orders.doc
--
select doc -> 'a' ->> 'b' as a, doc #>> '{x,y}' as b, jsonb_path_query_first(doc, '$.z') as c, doc ? 'k' as d from public.orders

--# name: lateral over jsonb elements
id = public.orders.id
sku = T:public.orders.doc
rows = F:public.orders.doc
--
select o.id, e.item ->> 'sku' as sku from public.orders o cross join lateral jsonb_array_elements(o.doc -> 'items') as e(item)
where e.item ->> 'qty' <> '0'

--# name: folded names
ID = public.orders.id
Id = public.orders.customer_id
--
select ID, CUSTOMER_ID as "Id" from PUBLIC.ORDERS

--# name: quoted names with dots
a.b = public.orders.id
rows = F:public.orders.amount
--
with "x.y" as (select id as "a.b", amount from public.orders) select "a.b" from "x.y" where "x.y".amount > 1

--# name: order by an alias, an input column and a number
total = T:public.orders.amount T:public.orders.discount
id = public.orders.id
rows = S:public.orders.amount S:public.orders.discount S:public.orders.day S:public.orders.id
--
select amount - discount as total, id from public.orders order by total desc nulls last, day, 2

--# name: group by an input column though an alias has its name
status = T:public.orders.status
n =
rows = G:public.orders.status
--
select lower(status) as status, count(*) as n from public.orders group by status

--# name: cube and grouping
city = public.customers.city
name = public.customers.name
g = A:public.customers.city A:public.customers.name
n = A:public.customers.id
rows = G:public.customers.city G:public.customers.name
--
select city, name, grouping(city, name) as g, count(id) as n from public.customers group by cube (city, name)

--# name: window with a group frame and a filter
s = A:public.orders.amount F:public.orders.status W:public.orders.customer_id W:public.orders.day
--
select sum(amount) filter (where status = 'paid') over (partition by customer_id order by day groups between 1 preceding and current row) as s
from public.orders

--# name: first value of a named window that is extended
f = T:public.orders.amount W:public.orders.customer_id W:public.orders.day
--
select first_value(amount) over (w order by day) as f from public.orders window w as (partition by customer_id)

--# name: values in from with types
k =
city = public.customers.city
rows = J:public.customers.id
--
select v.k, c.city from (values (1::bigint, 'a'), (2, 'b')) as v (k, label) join public.customers c on c.id = v.k

--# name: intersect in a derived table
n = A:public.orders.customer_id
rows = F:public.customers.id
--
select count(customer_id) as n from (select customer_id from public.orders intersect all select id from public.customers) t

--# name: script with a temp table that is altered
writes: mart
id = public.orders.id
n = A:public.items.qty
rows = F:public.orders.day G:public.orders.id J:public.orders.id J:public.items.order_id
--
create temporary table recent on commit drop as select id from public.orders where day > now();
create index on recent (id);
analyze recent;
create table mart as select r.id, sum(i.qty) as n from recent r join public.items i on i.order_id = r.id group by r.id;

--# name: do block
writes: audit.log
status: partial
reason: routine
id = public.orders.id
what = T:public.orders.status
--
do $$ begin insert into audit.log (id, what) select id, upper(status) from public.orders; end $$

--# name: procedure with a parameter of the name of no column
writes: audit.log
status: partial
reason: routine
id = public.orders.id
rows = F:public.orders.day
--
create procedure p(since date) language sql as $$ insert into audit.log (id) select id from public.orders where day > since $$

--# name: begin atomic function body
writes: audit.log
status: partial
reason: routine
id = public.orders.id
--
create procedure p() begin atomic insert into audit.log (id) select id from public.orders; end

--# name: create table like
writes: o2
status: unknown
reason: no-query
--
create table o2 (like public.orders including all)

--# name: table function with ordinality over a join
id = public.orders.id
tag = T:public.orders.tags
n = T:public.orders.tags
rows = J:public.orders.customer_id J:public.customers.id
--
select o.id, t.tag, t.n from public.orders o join public.customers c on o.customer_id = c.id cross join unnest(o.tags) with ordinality as t(tag, n)

--# name: row comparison and is distinct from
id = hr.emp.id
rows = F:hr.emp.dept F:hr.emp.sal F:hr.dept.id
--
select id from hr.emp where (dept, sal) > (select id, 10 from hr.dept limit 1) and dept is distinct from 3

--# name: aggregate with distinct, order and a join on an expression
l = A:public.items.sku S:public.items.sku
k = T:public.orders.day
rows = J:public.orders.id J:public.items.order_id G:public.orders.day
--
select string_agg(distinct i.sku, ',' order by i.sku) as l, extract(year from o.day) as k
from public.orders o join public.items i on i.order_id = o.id + 0 group by extract(year from o.day)

--# name: fetch first with ties
id = public.orders.id
rows = S:public.orders.amount
--
select id from only public.orders order by amount desc fetch first 3 rows with ties

--# name: no schema, insert of a join with prefixes
schema: none
writes: tab3
col1 = tab1.col1
col2 = T:tab2.col2
rows = J:tab1.id J:tab2.id
--
insert into tab3 select a.col1, coalesce(b.col2, 0) as col2 from tab1 a left join tab2 b on a.id = b.id

--# name: no schema, unqualified columns over a join are ambiguous
schema: none
status: unknown
reason: ambiguous-column
col1 = ?
rows = J:tab1.id J:tab2.id
--
select col1 from tab1 a join tab2 b on a.id = b.id

--# name: no schema, parenthesised union inside an insert
schema: none
writes: tab3
x = tab1.x tab2.x
--
insert into tab3 (x) ((select x from tab1) union all (select x from tab2))

--# name: no schema, star of a cte with names
schema: none
writes: tab2
a = tab1.a
b = T:tab1.b
--
create table tab2 as (with c as (select a, b + 1 as b from tab1) select * from c)

--# name: no schema, star from a subquery joined to a named one
schema: none
status: partial
reason: assumed-own-column:b
a = t1.a
b = t2.b
rows = J:t1.id J:t2.id
--
select s.*, r.b from (select a from (select a, id from t1) q) s cross join lateral (select b from t2) r join (select t1.id from t1 join t2 on t1.id = t2.id) z on true

--# name: no schema, update from a subquery
schema: none
writes: tab1
status: partial
reason: update-keeps-other-values
c = A:tab2.c
rows = F:tab1.id G:tab2.id F:tab2.id
--
update tab1 set c = s.c from (select id, max(c) as c from tab2 group by id) s where tab1.id = s.id

--# name: alter table rename is no lineage
status: unknown
reason: statement:alter
--
alter table public.orders rename to orders_old

--# name: except inside a cte that is inserted
writes: public.customers
id = public.orders.customer_id
rows = F:public.customers.id
--
with missing as (select customer_id from public.orders except select id from public.customers)
insert into public.customers (id) select customer_id from missing

--# name: case over two tables with an aggregate
g = A:public.orders.amount C:public.customers.city
rows = J:public.orders.customer_id J:public.customers.id G:public.customers.name
--
select sum(case when c.city = 'x' then o.amount else 0 end) as g from public.orders o join public.customers c on o.customer_id = c.id group by c.name

--# name: nested window through two subqueries
r = W:public.orders.customer_id W:public.orders.amount
rows = F:public.orders.customer_id F:public.orders.amount
--
select r from (select *, dense_rank() over (partition by customer_id order by amount) as r from public.orders) q where r < 3

--# name: distinct on with a computed key
id = public.orders.id
rows = G:public.orders.day S:public.orders.day S:public.orders.amount
--
select distinct on (date_trunc('month', day)) id from public.orders order by date_trunc('month', day), amount desc

--# name: full join of three with coalesced keys
k = T:public.orders.id T:audit.log.id T:public.items.order_id
rows = J:public.orders.id J:audit.log.id J:public.items.order_id
--
select coalesce(o.id, l.id, i.order_id) as k from public.orders o full join audit.log l on l.id = o.id full join public.items i on i.order_id = coalesce(o.id, l.id)

--# name: recursive cte with an aggregate over it
n = A:hr.emp.sal
rows = F:hr.emp.mgr J:hr.emp.mgr J:hr.emp.id
--
with recursive t as (select id, sal from hr.emp where mgr is null union select e.id, e.sal from hr.emp e, lateral (select t.id as up from t) u where false
  union select e.id, e.sal from hr.emp e join t on e.mgr = t.id) select sum(sal) as n from t

--# name: json_table
id = public.orders.id
sku = T:public.orders.doc
--
select o.id, j.sku from public.orders o, json_table(o.doc, '$.items[*]' columns (sku text path '$.sku')) j

--# name: xmlagg and array to string
x = A:public.customers.name S:public.customers.id
--
select array_to_string(array_agg(name order by id), ',') as x from public.customers

--# name: table sample and only
id = public.orders.id
--
select id from public.orders tablesample bernoulli (10) repeatable (3)

--# name: insert default values
writes: public.customers
--
insert into public.customers default values

--# name: insert with overriding and returning
writes: public.customers
id = public.orders.customer_id
--
insert into public.customers (id) overriding system value select customer_id from public.orders returning id

--# name: refresh of a materialized view
status: unknown
reason: statement:refresh
--
refresh materialized view concurrently v

--# name: not valid sql
status: unknown
reason: not-parsed
--
select from where group

--# name: no schema, correlated scalar subquery with a prefix
schema: none
x = o.x
m = A:p.y F:p.id F:o.id
--
select o.x, (select max(p.y) from p where p.id = o.id) as m from o

--# name: no schema, cte chain over an unknown star
schema: none
status: partial
reason: star-unresolved
* = ?
total = T:raw.a T:raw.b
--
with s as (select * from raw), t as (select *, a + b as total from s) select * from t

--# name: no schema, columns through a star
schema: none
a = raw.a
b = T:raw.b
rows = F:raw.c
--
with s as (select * from raw) select a, b * 2 as b from s where c > 1

--# name: no schema, self join of a cte
schema: none
a = e.name
b = e.name
rows = J:e.mgr J:e.id
--
with x as (select id, mgr, name from e) select l.name as a, r.name as b from x l join x r on l.mgr = r.id

--# name: insert of a union with different names
writes: public.customers
id = public.orders.id public.items.order_id
name = public.orders.status public.items.sku
--
insert into public.customers (id, name) select id, status from public.orders union select order_id, sku from public.items

--# name: update with a correlated case
writes: hr.emp
status: partial
reason: update-keeps-other-values
sal = T:hr.emp.sal C:hr.emp.dept
rows = F:hr.emp.hired
--
update hr.emp set sal = case when dept = 3 then sal * 1.1 else sal end where hired < now()

--# name: with ordinality of json keys and a join
k = T:public.orders.doc
rows = F:public.orders.id
--
select k from public.orders, jsonb_object_keys(doc) as k where id > 3

--# name: lateral aggregate
name = public.customers.name
total = A:public.orders.amount
rows = F:public.orders.customer_id F:public.customers.id
--
select c.name, t.total from public.customers c, lateral (select sum(amount) as total from public.orders o where o.customer_id = c.id) t

--# name: window over a case with default frame
v = T:hr.emp.sal C:hr.emp.mgr W:hr.emp.dept W:hr.emp.hired
--
select lag(case when mgr is null then sal end, 1, 0) over (partition by dept order by hired) as v from hr.emp

--# name: arrays of rows and any
ids = A:hr.emp.id
rows = F:hr.emp.name F:hr.dept.name
--
select array_agg(id) as ids from hr.emp where name = any (select name from hr.dept)

--# name: cast to a domain and collate
n = T:hr.emp.name
s = T:hr.emp.sal
--
select name collate "C" as n, sal::numeric(9, 2)::text as s from hr.emp

--# name: create view with a recursive keyword
writes: v
n = hr.emp.id
rows = J:hr.emp.mgr J:hr.emp.id
--
create recursive view v (n) as select id from hr.emp union all select e.id from hr.emp e join v on e.mgr = v.n

--# name: select into temp and a use of it
writes: final
id = public.orders.id
--
select id into temp t from public.orders; create table final as select id from t;

--# name: explain analyze of an insert
status: unknown
reason: statement:
--
explain analyze insert into public.customers (id) select id from public.orders

--# name: prepared statement parameters
id = public.orders.id
x = T:public.orders.amount
rows = F:public.orders.day
--
select id, amount * $1 as x from public.orders where day > $2

--# name: grouping by a function of two columns
g = T:public.orders.status T:public.orders.customer_id
n =
rows = G:public.orders.status G:public.orders.customer_id
--
select concat(status, customer_id) as g, count(*) as n from public.orders group by concat(status, customer_id)

--# name: no schema, grouped by a name the query gives
schema: none
hour = T:readings.taken
n =
rows = G:readings.taken S:readings.taken
--
select date_trunc('hour', taken) as hour, count(*) as n from readings group by hour order by hour

--# name: no schema, a given name in every clause of a join
schema: none
net = T:f.gross T:f.fee
label = m.label
rows = J:f.merchant J:m.merchant G:f.gross G:f.fee G:m.label F:f.gross F:f.fee S:f.gross S:f.fee
--
select f.gross - f.fee as net, m.label from f join m on f.merchant = m.merchant group by net, label having net > 5 order by net

--# name: no schema, columns in a subquery over two tables
schema: none
status: partial
reason: ambiguous-column:kind
id = boats.id
rows = F:boats.id J:crews.skipper J:skippers.id
--
select boats.id from boats where exists (select 1 from crews join skippers on crews.skipper = skippers.id where kind = boats.id)

--# name: no schema, a subquery gives its column the same name
schema: none
status: partial
reason: assumed-own-column:weight
spread = A:parcels.weight A:parcels.height A:parcels.depth
--
select sum((select max(weight) weight from parcels) - (select min(height) height from parcels) + depth) as spread from parcels

--# name: no schema, columns of a subquery over another query
schema: none
status: partial
reason: assumed-own-column:slot
id = tides.id
rows = F:tides.id F:ports.slot
--
select id from tides where id in (select slot from (select * from ports) p)

--# name: a column that a derived table does not have
status: partial
reason: unresolved-column:colour
id = public.items.order_id
colour = ?
--
select i.id, i.colour from (select order_id as id from items) i

--# name: items without names
_col_0 = A:public.orders.amount
_col_1 = A:public.orders.amount
_col_2 =
_col_3 =
_col_4 =
_col_5 = T:public.orders.tags
_col_6 = T:public.orders.tags
rows = G:public.orders.tags
--
select max(amount), min(amount), count(*), count(*), 1, tags[1], tags[2] from orders group by tags

--# name: a table is made anew with its columns in another order
writes: hr.dept
loc = hr.emp.name
id = hr.emp.dept
name = T:hr.emp.mgr
--
create table hr.dept as select name as loc, dept as id, mgr::text as name from hr.emp

--# name: a query for a table that is known by other names
output: hr.dept
loc = hr.emp.name
id = hr.emp.dept
mgr = hr.emp.mgr
--
select name as "Loc", dept as id, mgr from hr.emp

--# name: merge of rows that are there on one side only
schema: none
writes: stock
status: partial
reason: merge-keeps-other-values
sku = feed.sku
left_over = feed.qty
seen = T:stock.seen
rows = J:stock.sku J:feed.sku F:feed.qty F:stock.kept
--
merge into stock using feed on stock.sku = feed.sku
when not matched and qty > 0 then insert (sku, left_over) values (sku, qty)
when not matched by source and kept then update set seen = seen + 1

--# name: common table expressions that nobody reads
id = public.orders.id
rows = F:public.orders.amount
--
with unread as (select id, city from customers where city = 'Oslo'), unread_too as (select id from unread), large as (select id from orders where amount > 9)
select id from large

--# name: a common table expression that deletes does so unread
id = public.orders.id
--
with gone as (delete from customers where city = 'Oslo' returning id) select id from orders

--# name: two queries in from without names
schema: none
id = T:shelf.id T:slot.id
width = shelf.width
deep = slot.deep
rows = J:shelf.id J:slot.id
--
select id, width, deep from (select id, width from shelf) full join (select id, deep from slot) using (id)

--# name: values that are read from tables
writes: ledger
first = A:public.orders.day
day =
last = A:public.orders.day
--
insert into ledger (first, day, last) values ((select min(day) from orders), default, null), (null, current_date, (select max(day) from orders))

--# name: literal values that add to what is there
writes: tally
schema: none
word =
seen = T:tally.seen
--
insert into tally (word, seen) values ('so', 1) on conflict (word) do update set seen = tally.seen + excluded.seen

--# name: into a table from a union
writes: everyone
name = public.customers.name hr.emp.name
--
select name into everyone from customers union all select name from hr.emp

--# name: names that change places without a schema
schema: none
low = span.high
high = span.low
--
select high as low, low as high from span

--# name: columns that change names in a list around a query without a schema
schema: none
low = span.high
high = span.low
--
with turned (low, high) as (select high, low from span) select * from turned

--# name: no item reads the one before it
schema: none
net = T:bill.gross
tax = T:bill.net
rows = F:bill.net
--
select gross * 0.8 as net, net * 0.25 as tax from bill where net > 0

--# name: no schema, unnest without a table's name
schema: none
id = bins.id
tag = T:bins.tags
--
select id, tag from bins cross join lateral unnest(tags) as u(tag)

--# name: no schema, a function in from alone has nothing to read
schema: none
status: unknown
reason: unresolved-column:doc
a = ?
--
select r.a from json_to_recordset(doc) as r(a int)

--# name: rows are locked by the names of their tables
who = public.customers.name
what = public.items.sku
--
select c.name as who, i.sku as what from customers c, items i for share of c, i

--# name: columns of a table by names given in from
who = hr.emp.id
boss = hr.emp.mgr
pay = T:hr.emp.sal
rows = F:hr.emp.dept
--
select who, e.boss, unit_pay * 2 as pay from hr.emp as e(who, boss, unit, unit_pay) where unit > 3

--# name: columns of a cte by names given in from
top = hr.dept.id
name = hr.dept.name
--
with d(a, name) as (select id, name from hr.dept) select k.top, k.name from d as k(top)

--# name: no schema, names given to a star stand for columns nobody knows
schema: none
status: partial
reason: star-unresolved:crates
first = crates.label
second = ?
--
select first, second from (select label, * from crates) as t(first, second)

--# name: two tables of one name in two schemas without aliases
a = public.items.sku
b = extra.items.note
rows = J:public.items.order_id J:extra.items.order_id
--
select public.items.sku as a, extra.items.note as b from public.items join extra.items on public.items.order_id = extra.items.order_id

--# name: a join in parentheses that begins with a query
id = hr.emp.id
loc = hr.dept.loc
rows = J:hr.emp.dept J:hr.dept.id
--
select e.id, loc from ((select id, dept from hr.emp) e inner join hr.dept d on e.dept = d.id)

--# name: a join in parentheses with a name
id = hr.emp.id
dname = hr.dept.name
at = hr.audit.at
rows = J:hr.emp.dept J:hr.dept.id J:hr.audit.emp J:hr.emp.id
--
select j.id, dname, a.at from ((select id, dept from hr.emp) e join (select id as did, name as dname from hr.dept) d on e.dept = d.did) as j
join hr.audit a on a.emp = j.id

--# name: a star over a query with two columns of one name
id = hr.emp.id hr.dept.id
loc = hr.dept.loc
--
select * from (select e.id, d.id, d.loc from hr.emp e cross join hr.dept d) both_of_them

--# name: two lateral functions without a name
id = public.orders.id
--
select o.id from orders o, lateral unnest(o.tags), lateral jsonb_object_keys(o.doc)

--# name: a temporary table that is updated
writes: audit.log
id = public.orders.id
what = public.customers.city public.orders.status
rows = F:public.customers.id F:public.orders.customer_id
--
create temp table work as select id, customer_id, status from orders;
update work set status = c.city from customers c where c.id = work.customer_id;
insert into audit.log (id, what) select id, status from work

--# name: a temporary table with a column that comes later
writes: audit.log
id = public.orders.id
what = T:public.orders.status
--
create temp table work as select id, status from orders;
alter table work add column shouted text;
update work set shouted = upper(status);
insert into audit.log (id, what) select id, shouted from work

--# name: a temporary table that rows are merged into
writes: audit.log
id = public.orders.id public.customers.id
what = public.orders.status public.customers.city
rows = J:public.orders.id J:public.customers.id
--
create temp table work as select id, status from orders;
merge into work using customers c on c.id = work.id
  when matched then update set status = c.city
  when not matched then insert (id, status) values (c.id, c.city);
insert into audit.log (id, what) select id, status from work

--# name: a temporary table that rows are deleted from
writes: audit.log
id = public.orders.id
rows = F:public.orders.id F:public.items.order_id
--
create temp table work as select id from orders;
delete from work using items i where i.order_id = work.id;
insert into audit.log (id) select id from work

--# name: a temporary table filled in another order of its columns
writes: audit.log
id = public.orders.id public.customers.id
what = public.orders.status public.customers.city
--
create temp table work (id bigint, word text);
insert into work (word, id) select status, id from orders;
insert into work select id, city from customers;
insert into audit.log (id, what) select * from work

--# name: a temporary table filled column by column
writes: audit.log
id = public.orders.id
what = public.customers.city
--
create temp table work (id bigint, word text);
insert into work (id) select id from orders;
insert into work (word) select city from customers;
insert into audit.log (id, what) select id, word from work

--# name: a temporary table that nothing was put into
writes: audit.log
id =
--
create temp table work (id bigint);
insert into audit.log (id) select id from work

--# name: a temporary table like another
writes: audit.log
id = hr.audit.emp
what = T:hr.audit.new
--
create temp table work (like public.items including all);
insert into work (order_id, price) select emp, new from hr.audit;
insert into audit.log (id, what) select order_id, price::text from work

--# name: a temporary table filled from a file
writes: audit.log
status: partial
reason: copy
id = /in/day.csv.id
--
create temp table work (id bigint, word text);
copy work from '/in/day.csv';
insert into audit.log (id) select id from work

--# name: an unknown star that is updated
schema: none
writes: kept
a = far.a
b = far.b near.b
rows = F:near.k F:far.k
--
create temp table work as select * from far;
update work set b = near.b from near where near.k = work.k;
insert into kept select a, b from work

--# name: a table that its script drops again
writes: audit.log
id = public.orders.id
what = T:public.orders.status
--
create table public.half_done as select id, upper(status) as word from orders;
insert into audit.log (id, what) select id, word from public.half_done;
drop table public.half_done

--# name: a table that comes back after it was dropped
output: audit.log
writes: audit.log
id = half_done.id
--
create table half_done as select id from orders;
drop table half_done;
create table half_done as select id from customers;
insert into audit.log (id) select id from half_done

--# name: made under another name
writes: public.customers
id = public.customers.id
name = T:public.customers.name
--
create table public.customers_next as select id, trim(name) as name from customers;
drop table if exists public.customers_old;
alter table public.customers rename to customers_old;
alter table public.customers_next rename to customers

--# name: inserts that name the columns in another order
writes: hr.audit
emp = hr.emp.id hr.dept.id
at = hr.emp.hired
old = hr.emp.sal
--
insert into hr.audit (emp, at) select id, hired from hr.emp;
insert into hr.audit (old, emp) select sal, id from hr.emp;
insert into hr.audit (emp) select id from hr.dept

--# name: a star over a table of the script
output: audit.log
writes: audit.log
id = picked.id
what = picked.name
at = picked.one
--
create table picked as select c.*, 1 as one from (select id, name from customers) c;
insert into audit.log (id, what, at) select * from picked

--# name: a union of unequal lists
status: partial
reason: column-count-differs
id = public.orders.id public.customers.id
--
select id from orders union all select id, name from customers

--# name: drop of several
output: hr.dept
writes: hr.dept
status: unknown
reason: statement:drop
--
drop table if exists hr.emp, hr.dept

--# name: a schema that gets another name
status: unknown
reason: statement:alter
--
alter schema hr rename to people

--# name: the schema of a collation is no column
id = public.customers.id
rows = F:public.customers.name
--
select id from customers where name < 'm' collate pg_catalog."C"

--# name: what a block keeps in its variables is no table and no column
schema: none
writes: late_trains
status: partial
reason: routine
train = trains.train
rows = F:trains.delay
--
do $$
declare worst int; what text;
begin
  select max(delay), min(kind) into worst, what from trains_before;
  insert into late_trains (train) select train from trains where delay > worst;
end $$

--# name: a named window that builds on another
id = public.orders.id
total = A:public.orders.amount W:public.orders.customer_id W:public.orders.day
before = T:public.orders.amount W:public.orders.customer_id W:public.orders.day
--
select id, sum(amount) over late as total, lag(amount) over (late rows unbounded preceding) as before
from orders window each as (partition by customer_id), late as (each order by day)

--# name: what stands behind a routine
writes: audit.log
id = public.orders.id
what = T:public.orders.status
--
create or replace function tidy(word text) returns text language sql as $$ select lower(trim(word)) $$ immutable;
create or replace function plus_one(n int) returns int as $$ select n + 1 $$ language sql;
insert into audit.log (id, what) select id, «what»tidy(status) from orders

--# name: what stands behind a routine that writes
writes: audit.log
status: partial
reason: routine
id = public.orders.id
--
create procedure clear() language plpgsql as $$
begin
  delete from audit.log where id in (select id from customers);
end;
$$;
insert into audit.log (id) select id from orders

--# name: rows moved from table to table
writes: audit.log
id = public.items.order_id
--
create temp table work as select order_id as id from items;
alter table audit.log append from work

--# name: merge with a condition for doing nothing
writes: customers
status: partial
reason: merge-keeps-other-values
city = public.orders.status
rows = J:public.customers.id J:public.orders.customer_id F:public.orders.day
--
merge into customers c using orders o on o.customer_id = c.id
when matched and o.day < '2020-01-01' then do nothing
when matched then update set city = o.status

--# name: insert that does nothing on a conflict
writes: audit.log
id = public.orders.id
what = public.orders.status
--
insert into audit.log (id, what) select id, status from orders on conflict do nothing

--# name: insert that does nothing on a conflict, in a block
writes: audit.log
status: partial
reason: routine
id = public.orders.id
rows = F:public.orders.day
--
do $$
begin
  insert into audit.log (id) select id from orders where day < now() on conflict (id) do nothing;
end
$$

--# name: a column or a row with the name of its table
schema: none
status: unknown
reason: whole-row:state
state = ?
--
select state from far.state
