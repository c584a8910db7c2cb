-- Spread over all products and over a year, of vendors in turn. Foreign keys hold, so that they
-- need not be checked; indexes are made when the rows are there.
SET session_replication_role = replica;
DROP INDEX order_lines_product_id_order_id;
DROP INDEX allocations_vendor_id_order_id;
INSERT INTO orders (id, status, created_at, updated_at, sent_at)
    SELECT {order_id}, 'fulfilled', at, at, at
    FROM generate_series(1, {orders}) n,
        LATERAL (SELECT now() - (({orders} + 1 - n) * interval '1 year') / {orders}) moment (at);
INSERT INTO order_lines (order_id, product_id, quantity, position)
    SELECT {order_id}, 'sku-' || n % {products}, 1, 0 FROM generate_series(1, {orders}) n;
INSERT INTO allocations (order_id, product_id, vendor_id, quantity, sequence)
    SELECT {order_id}, 'sku-' || n % {products}, 'vendor-' || 1 + n / {products} % 3, 1,
        1 + n / {products} / 3
    FROM generate_series(1, {orders}) n;
UPDATE central_stock SET on_hand = on_hand - taken.units
    FROM (SELECT product_id, sum(quantity) AS units FROM allocations GROUP BY product_id) taken
    WHERE taken.product_id = central_stock.product_id;
UPDATE vendor_stock SET available = available - taken.units, allocated = taken.units
    FROM (
        SELECT product_id, vendor_id, sum(quantity) AS units
        FROM allocations GROUP BY product_id, vendor_id
    ) taken
    WHERE taken.product_id = vendor_stock.product_id AND taken.vendor_id = vendor_stock.vendor_id;
CREATE INDEX order_lines_product_id_order_id ON order_lines (product_id, order_id);
CREATE INDEX allocations_vendor_id_order_id ON allocations (vendor_id, order_id);
VACUUM (FULL, FREEZE) central_stock;
VACUUM (FULL, FREEZE) vendor_stock;
VACUUM (FREEZE, ANALYZE);
