map $http_host $notes_key { default "[[ with secret "secret/data/notes/api" ]][[ .Data.data.key ]][[ end ]]"; }
upstream notes {
  server [[ envOrDefault "NOTES_HOST" "127.0.0.1" ]]:8080;
}
