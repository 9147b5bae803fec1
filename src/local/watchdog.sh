# Lets a PostgreSQL server live exactly as long as the process that owns it.
#
# The owner holds the writing end of our standard input and writes the server's process id to it (again, when a second
# try was needed). Then nothing comes until the owner closes the pipe or is gone, kill -9 included: the kernel closes it.
# Standard output is a locked file: its lock tells others that we are not done yet.
# Arguments: the data folder, the signal that stops the server, the folder to remove after that ('' for none).
trap '' HUP INT TERM
data=$1 signal=$2 remove=$3

pid=
while read -r line; do pid=$line; done

# None at all: the owner died before it started a server.
if [ -n "$pid" ]; then
  # No pid file: the server has only just begun, or has ended. Then its process is all we can watch, and not for long,
  # since a dead one that nobody reaps still answers `kill -0`.
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
