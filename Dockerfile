# Images of vault-renderer and of the notes application, made of what
# `make image-files` has put into bin/:
#
#   make images
#
# Nothing is pulled: the binaries are static, and there is nothing else in the
# images. They need no root, no shell and no writable root file system.
# docs/containers.md says how to run them, and has a variant that compiles in
# a golang image.

FROM scratch AS webapp
COPY bin/webapp /webapp
USER 10002:10000
EXPOSE 5000
ENTRYPOINT ["/webapp"]
CMD ["-config=/run/notes/config.ini", "-listen=:5000"]

# The last one: what is built when no target is named.
FROM scratch AS vault-renderer
# The public authorities that the building machine knows, if any, for a Vault
# whose certificate one of them has signed. For one of your own mount its
# certificate and name it with vault { ca_cert = "..." }.
COPY bin/etc/ /etc/
COPY bin/vault-renderer /vault-renderer
USER 10001:10000
ENTRYPOINT ["/vault-renderer"]
CMD ["agent", "-config=/etc/vault-renderer"]
