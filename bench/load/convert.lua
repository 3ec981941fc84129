-- For wrk: GET /convert/ with temperatures from 0 to 1001, made beforehand.

dofile("figures.lua")

local requests = {}
local next = 0

function init()
  math.randomseed(7)
  for i = 1, 1000 do
    requests[i] = wrk.format("GET", string.format("/convert/?fahrenheit=%.2f", math.random() * 1001))
  end
end

function request()
  next = next % #requests + 1
  return requests[next]
end
