-- For wrk: orders of one unit each, of a random product.
-- Arguments: seed, products, stride between their numbers, orders offered a second (0: each
-- connection orders again as soon as it is answered), number of the first product.
local ffi = require("ffi")
ffi.cdef [[
    typedef struct { long seconds; long nanoseconds; } bench_moment;
    int clock_gettime(int clock, bench_moment *now);
]]
local MONOTONIC = 1
local moment = ffi.new("bench_moment")
local threads = {}

function setup(thread)
    table.insert(threads, thread)
end

function init(arguments)
    math.randomseed(tonumber(arguments[1]))
    products, stride, first = tonumber(arguments[2]), tonumber(arguments[3]), tonumber(arguments[5])
    sent, accepted, refused, unavailable, other = 0, 0, 0, 0, 0
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    local rate = tonumber(arguments[4])
    if rate > 0 then
        -- wrk asks for a delay only where this function is there.
        delay = keep_rate(rate)
    end
end

-- A schedule that all connections share: slow answers do not slow it down while one is free.
function keep_rate(rate)
    local interval, next_at = 1000 / rate, nil
    return function()
        ffi.C.clock_gettime(MONOTONIC, moment)
        local now = tonumber(moment.seconds) * 1000 + tonumber(moment.nanoseconds) / 1e6
        next_at = (next_at or now) + interval
        return math.max(0, next_at - now)
    end
end

function request()
    sent = sent + 1
    local product = first + math.random(0, products - 1) * stride
    local body = '{"product_id": "sku-' .. product .. '", "quantity": 1}'
    return wrk.format(nil, nil, nil, body)
end

function response(status)
    if status == 202 then
        accepted = accepted + 1
    elseif status == 409 then
        refused = refused + 1
    elseif status == 503 then
        unavailable = unavailable + 1
    else
        other = other + 1
    end
end

function done(summary, latency)
    local total = {}
    for _, name in ipairs({"sent", "accepted", "refused", "unavailable", "other"}) do
        total[name] = 0
        for _, thread in ipairs(threads) do
            total[name] = total[name] + thread:get(name)
        end
    end
    local errors = summary.errors
    io.write(string.format(
        '{"sent": %d, "accepted": %d, "refused": %d, "unavailable": %d, "other": %d, "errors": %d, '
            .. '"seconds": %.6f, "p50": %.3f, "p99": %.3f}\n',
        total.sent, total.accepted, total.refused, total.unavailable, total.other,
        errors.connect + errors.read + errors.write + errors.timeout,
        summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
    ))
end
