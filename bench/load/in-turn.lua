-- For scripts of wrk: 1,000 requests are made beforehand, of one temperature from 0 to 1001 each, and sent in turn.

--- make(fahrenheit): the request for it, where fahrenheit is a text with two decimals.
function in_turn(make)
  local requests = {}
  local next = 0

  function init()
    math.randomseed(7)
    for i = 1, 1000 do
      requests[i] = make(string.format("%.2f", math.random() * 1001))
    end
  end

  function request()
    next = next % #requests + 1
    return requests[next]
  end
end
