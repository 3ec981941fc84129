-- For wrk: POST of the same small job again and again, to Dray and to the peer alike.

dofile("figures.lua")

wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = '{"type":"echo","input":{"to":"someone@example.org","order":12345}}'
