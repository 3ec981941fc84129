-- For wrk: POST :predict with one temperature from 0 to 1001 each, made beforehand. The path is that of the address.

dofile("figures.lua")
dofile("in-turn.lua")

local headers = { ["Content-Type"] = "application/json" }

in_turn(function(fahrenheit)
  return wrk.format("POST", nil, headers, '{"instances": [[' .. fahrenheit .. ']]}')
end)
