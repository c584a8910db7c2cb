-- Of the product after the last, nobody has any.
INSERT INTO vendors (id, name, as_of)
    SELECT 'vendor-' || v, 'Vendor ' || v, now() FROM generate_series(1, {vendors}) v;
INSERT INTO products (id, name)
    SELECT 'sku-' || p, 'Product ' || p FROM generate_series(0, {products}) p;
INSERT INTO central_stock (product_id, on_hand, reserved, updated_at)
    SELECT 'sku-' || p, CASE WHEN p < {products} THEN {vendors}::bigint * {units} ELSE 0 END,
        0, now()
    FROM generate_series(0, {products}) p;
SET session_replication_role = replica;
INSERT INTO vendor_stock (product_id, vendor_id, available, reported, allocated, counted)
    SELECT 'sku-' || p, 'vendor-' || v, {units}, {units}, 0, 0
    FROM generate_series(0, {products} - 1) p, generate_series(1, {vendors}) v;
INSERT INTO stock_adjustments (vendor_id, product_id, delta, cause, at)
    SELECT 'vendor-' || v, 'sku-' || p, {units}, 'sync', now()
    FROM generate_series(0, {products} - 1) p, generate_series(1, {vendors}) v;
VACUUM (FREEZE, ANALYZE);
