-- wrk script: POST of the text given after "--".
init = function(args)
  wrk.method = "POST"
  wrk.body = args[1]
  wrk.headers["Content-Type"] = "text/plain"
end
