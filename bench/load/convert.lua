-- For wrk: GET /convert/ with temperatures from 0 to 1001, made beforehand.

dofile("figures.lua")
dofile("in-turn.lua")

in_turn(function(fahrenheit)
  return wrk.format("GET", "/convert/?fahrenheit=" .. fahrenheit)
end)
