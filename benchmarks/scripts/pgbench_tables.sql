-- What pgbench works on: as simple as can be. The parameter is how many orders wait.
CREATE TABLE bench_stock (
    product_id integer PRIMARY KEY,
    on_hand bigint NOT NULL,
    reserved bigint NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE bench_vendor_stock (
    product_id integer,
    vendor_id integer,
    available bigint NOT NULL,
    PRIMARY KEY (product_id, vendor_id)
) WITH (fillfactor = 50);
CREATE TABLE bench_orders (
    id bigserial PRIMARY KEY,
    product_id integer NOT NULL,
    quantity integer NOT NULL,
    status text NOT NULL DEFAULT 'reserved',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE bench_outbox (id bigserial PRIMARY KEY, body text NOT NULL);
CREATE TABLE bench_allocations (
    order_id bigint,
    product_id integer,
    vendor_id integer,
    quantity integer NOT NULL,
    PRIMARY KEY (order_id, product_id, vendor_id)
);
INSERT INTO bench_stock
    SELECT product, 3000000000, {orders} FROM generate_series(0, 999) product;
INSERT INTO bench_vendor_stock
    SELECT product, vendor, 1000000000
    FROM generate_series(0, 999) product, generate_series(0, 2) vendor;
INSERT INTO bench_orders (product_id, quantity)
    SELECT number % 1000, 1 FROM generate_series(1, {orders}) number;
