"""What is handed in: folders, patches and predictions, and measurements that were made of them before."""
