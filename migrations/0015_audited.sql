-- Tables of configuration that came beside 0011: what is changed in them is told of, too.

create trigger audited after insert or update or delete on webhooks for each row
  execute function audit_row('webhook', 'id', '*secret', '*old_secret', '-begun', '-failing_since', '-updated_at');
create trigger audited after insert or update or delete on dispositions for each row execute function audit_row('disposition', 'code');
