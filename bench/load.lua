-- What wrk asks for: /o/<key> with random keys of a file, or one path. `wrk -s load.lua URL -- FILE-OR-PATH`
-- Every request carries the headers of a mail program. bench/load.py does the same where there is no wrk.

local HEADERS = table.concat({
  " HTTP/1.1",
  "Host: 127.0.0.1",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Thunderbird/145.0",
  "Accept: image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
  "Accept-Language: fr,en;q=0.5",
  "Accept-Encoding: gzip, deflate",
  "", "",
}, "\r\n")

local keys = {}
local constant = nil

function init(arguments)
  local file = io.open(arguments[1])
  if file then
    for key in file:lines() do
      keys[#keys + 1] = key
    end
    file:close()
    math.randomseed(os.time())
  else
    constant = "GET " .. arguments[1] .. HEADERS
  end
end

function request()
  return constant or ("GET /o/" .. keys[math.random(#keys)] .. HEADERS)
end

function done(summary, latency, requests)
  local e = summary.errors
  print(string.format(
    "load answers=%d microseconds=%d p99_microseconds=%d errors=%d",
    summary.requests, summary.duration, latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout
  ))
end
