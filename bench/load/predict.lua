-- For wrk: POST :predict with one temperature from 0 to 1001 each, made beforehand. The path is that of the address.

dofile("figures.lua")

local requests = {}
local next = 0

function init()
  math.randomseed(7)
  local headers = { ["Content-Type"] = "application/json" }
  for i = 1, 1000 do
    local body = string.format('{"instances": [[%.2f]]}', math.random() * 1001)
    requests[i] = wrk.format("POST", nil, headers, body)
  end
end

function request()
  next = next % #requests + 1
  return requests[next]
end
