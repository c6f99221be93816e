-- wrk … -s requests.lua URL -- METHOD PATH MOST PIPELINE PAUSE_MS [HEADER: VALUE]
-- Each {id} of PATH is a number from 1 to MOST; PIPELINE requests are sent at once; between an answer and the next request a connection
-- rests for 0 to twice PAUSE_MS. POST sends {"name": "Load NUMBER"}.
local threads = 0
function setup(thread)
  threads = threads + 1
  thread:set("seed", threads)
end

local fmt, rand = string.format, math.random

function init(args)
  math.randomseed(os.time() * 7 + seed * 7919)
  local method, path, most, pipeline, pause, header = args[1], args[2], tonumber(args[3]), tonumber(args[4]), tonumber(args[5]), args[6] or ""
  local host = wrk.host .. ":" .. wrk.port
  local rest = " HTTP/1.1\r\nHost: " .. host .. "\r\n" .. (header ~= "" and header .. "\r\n" or "")
  local function one()
    local target = path:gsub("{id}", function() return tostring(rand(1, most)) end)
    if method ~= "POST" then return method .. " " .. target .. rest .. "\r\n" end
    local body = fmt('{"name":"Load %d"}', rand(1, most))
    return "POST " .. target .. rest .. "Content-Type: application/json\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
  end
  if pause > 0 then delay = function() return rand(0, 2 * pause) end end
  if pipeline == 1 then request = one
  else
    request = function()
      local all = {}
      for i = 1, pipeline do all[i] = one() end
      return table.concat(all)
    end
  end
end

function done(s, latency, _)
  local e = s.errors
  io.stderr:write(fmt('RESULT {"requests":%d,"duration_us":%d,"bad":%d,"sock":%d,"p50_us":%d,"p99_us":%d,"max_us":%d}\n',
    s.requests, s.duration, e.status, e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99), latency.max))
end
