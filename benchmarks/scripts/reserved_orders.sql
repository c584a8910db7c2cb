INSERT INTO orders (id, status, created_at, updated_at, sent_at)
    SELECT {order_id}, 'reserved', now(), now(), now() FROM generate_series(1, {orders}) n;
INSERT INTO order_lines (order_id, product_id, quantity, position)
    SELECT {order_id}, 'sku-' || n % {products}, 1, 0 FROM generate_series(1, {orders}) n;
UPDATE central_stock SET reserved = lines.units
    FROM (SELECT product_id, sum(quantity) AS units FROM order_lines GROUP BY product_id) lines
    WHERE lines.product_id = central_stock.product_id;
INSERT INTO outbox (body, created_at, attempts)
    SELECT convert_to(format('{{"version": 2, "order_ids": ["%s"]}}', {order_id}), 'UTF8'), now(), 0
    FROM generate_series(1, {orders}) n ORDER BY n;
VACUUM ANALYZE;
