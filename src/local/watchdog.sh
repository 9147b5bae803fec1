# Stops a PostgreSQL server when the process that owns it ends.
#
# The owner holds the writing end of our standard input and writes the server's process id to it (and the next one, when it
# had to retry). Then nothing follows until the owner closes the pipe or ends; after kill -9 the kernel closes the pipe.
# Standard output is a locked file: its lock shows other processes that the watchdog is still at work.
# Arguments: the data folder, the signal that stops the server, the folder to remove after that ('' for none).
trap '' HUP INT TERM
data=$1 signal=$2 remove=$3

pid=
while read -r line; do pid=$line; done

# No process id: the owner ended before it started a server.
if [ -n "$pid" ]; then
  # No pid file: the server is just starting, or has ended. Then only its process can be watched, and not for long,
  # because a zombie still answers `kill -0`.
  limit=1200
  [ -e "$data/postmaster.pid" ] || limit=20
  kill -s "$signal" "$pid"
  tries=0
  while kill -0 "$pid" && [ $tries -lt $limit ] && { [ $limit = 20 ] || [ -e "$data/postmaster.pid" ]; }; do
    sleep 0.05 || sleep 1
    tries=$((tries + 1))
  done
fi

if [ -n "$remove" ]; then
  rm -rf -- "$remove"
fi
