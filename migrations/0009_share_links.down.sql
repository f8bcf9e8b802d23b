-- Older versions know no such links, so they open nothing there.
DROP TABLE IF EXISTS learninglog_share_links;
